//! Exchanges printed one after the other, in the form that was asked for.

use std::io::{self, Write};

use umbra_common::exchange::Exchange;

use super::har::Archive;
use super::screen::Screen;
use super::table::Columns;
use super::{Output, curl, http, json};

/// Prints exchanges in one form.
#[derive(Debug)]
pub(super) struct Printer {
    form: Form,
    printed: u64,
}

#[derive(Debug)]
enum Form {
    Table(Columns),
    Json,
    Http,
    Curl,
    Har(Archive),
}

/// Forms in which an exchange is one short line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lines {
    /// Of a table.
    Table(Columns),
    /// A JSON object without bodies.
    Json,
}

impl Lines {
    /// The line, with its end.
    pub(super) fn line(self, exchange: &Exchange) -> Vec<u8> {
        let mut line = Vec::new();
        let written = match self {
            Self::Table(columns) => columns.row(exchange, &mut line),
            Self::Json => json::short(exchange, &mut line),
        };
        // Writing to memory does not fail.
        drop(written);
        line.shrink_to_fit();
        line
    }
}

impl Printer {
    pub(super) fn new(output: Output, screen: Screen) -> Self {
        let form = match output {
            Output::Table => Form::Table(Columns::new(screen)),
            Output::Json => Form::Json,
            Output::Http => Form::Http,
            Output::Curl => Form::Curl,
            Output::Har => Form::Har(Archive::default()),
        };
        Self { form, printed: 0 }
    }

    /// How many there were.
    pub(super) fn printed(&self) -> u64 {
        self.printed
    }

    /// The names of the columns, where they are to stand there before anything comes.
    pub(super) fn header(&mut self, out: &mut dyn Write) -> io::Result<()> {
        match &self.form {
            Form::Table(columns) => columns.header(out),
            _ => Ok(()),
        }
    }

    /// How a line is made of an exchange, where it becomes one.
    pub(super) fn lines(&self) -> Option<Lines> {
        match &self.form {
            Form::Table(columns) => Some(Lines::Table(*columns)),
            Form::Json => Some(Lines::Json),
            Form::Http | Form::Curl | Form::Har(_) => None,
        }
    }

    /// One exchange of several, which has become a line.
    pub(super) fn put(&mut self, line: &[u8], out: &mut dyn Write) -> io::Result<()> {
        self.printed += 1;
        out.write_all(line)
    }

    /// One exchange of several.
    pub(super) fn listed(&mut self, exchange: &Exchange, out: &mut dyn Write) -> io::Result<()> {
        self.printed += 1;
        match &mut self.form {
            Form::Table(columns) => columns.row(exchange, out),
            Form::Json => json::short(exchange, out),
            Form::Http => http::message(exchange, out).and_then(|()| writeln!(out)),
            Form::Curl => curl::command(exchange, out),
            Form::Har(archive) => archive.entry(exchange, out),
        }
    }

    /// One exchange, whole.
    pub(super) fn shown(&mut self, exchange: &Exchange, out: &mut dyn Write) -> io::Result<()> {
        self.printed += 1;
        match &mut self.form {
            Form::Json => json::whole(exchange, out),
            Form::Table(_) | Form::Http => http::message(exchange, out),
            Form::Curl => curl::command(exchange, out),
            Form::Har(archive) => archive.entry(exchange, out),
        }
    }

    /// What stands behind the last one.
    pub(super) fn end(self, out: &mut dyn Write) -> io::Result<()> {
        match self.form {
            Form::Har(archive) => archive.end(out),
            _ => Ok(()),
        }
    }
}
