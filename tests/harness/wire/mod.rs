//! A reader for HTTP/1.1 messages that shares nothing with the programs under test and keeps every byte.
//!
//! It reads what well-formed peers send, by `Content-Length`, by chunks or to the end of the connection. Whatever it
//! does not understand is an error, so that a test sees it.

mod client;
mod message;

pub use client::{RawClient, RawResponse, exchange};
pub use message::{Head, RawBody};

use std::io::{self, Read};
use std::net::TcpStream;

/// How far a body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    None,
    Length(usize),
    Chunked,
    UntilClose,
}

/// A connection with what has been read ahead of the message that is wanted.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    ahead: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, ahead: Vec::new() }
    }

    /// The next head; nothing where the connection ends before its first byte.
    pub(crate) fn head(&mut self) -> io::Result<Option<Head>> {
        match self.through(b"\r\n\r\n") {
            Ok(raw) => Ok(Some(Head::new(raw))),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof && self.ahead.is_empty() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The body that follows a head. What came before an error stays in `body`.
    pub(crate) fn body(&mut self, framing: Framing, body: &mut RawBody) -> io::Result<()> {
        match framing {
            Framing::None => {}
            Framing::Length(length) => {
                while body.bytes.len() < length {
                    self.more_if_empty()?;
                    let take = self.ahead.len().min(length - body.bytes.len());
                    body.bytes.extend(self.ahead.drain(..take));
                }
                body.raw.clone_from(&body.bytes);
            }
            Framing::Chunked => self.chunks(body)?,
            Framing::UntilClose => {
                body.bytes.append(&mut self.ahead);
                self.stream.read_to_end(&mut body.bytes)?;
                body.raw.clone_from(&body.bytes);
            }
        }
        body.complete = true;
        Ok(())
    }

    fn chunks(&mut self, body: &mut RawBody) -> io::Result<()> {
        loop {
            let line = self.through(b"\r\n")?;
            body.raw.extend_from_slice(&line);
            let digits = line.split(|b| matches!(b, b';' | b'\r')).next().unwrap_or_default();
            let size = std::str::from_utf8(digits)
                .ok()
                .and_then(|d| usize::from_str_radix(d, 16).ok())
                .ok_or_else(|| bad(format!("no chunk size: {}", line.escape_ascii())))?;
            if size == 0 {
                break;
            }
            let chunk = self.exactly(size)?;
            body.raw.extend_from_slice(&chunk);
            body.bytes.extend_from_slice(&chunk);
            let end = self.exactly(2)?;
            if end != b"\r\n" {
                return Err(bad(format!("a chunk ends with {}", end.escape_ascii())));
            }
            body.raw.extend_from_slice(&end);
        }
        loop {
            let line = self.through(b"\r\n")?;
            body.raw.extend_from_slice(&line);
            if line == b"\r\n" {
                return Ok(());
            }
            body.trailers.push(message::field(&line[..line.len() - 2]));
        }
    }

    fn through(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.ahead.windows(end.len()).position(|w| w == end) {
                return Ok(self.ahead.drain(..at + end.len()).collect());
            }
            self.more()?;
        }
    }

    fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < length {
            self.more()?;
        }
        Ok(self.ahead.drain(..length).collect())
    }

    fn more_if_empty(&mut self) -> io::Result<()> {
        if self.ahead.is_empty() { self.more() } else { Ok(()) }
    }

    fn more(&mut self) -> io::Result<()> {
        let mut buffer = [0; 64 << 10];
        match self.stream.read(&mut buffer)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                self.ahead.extend_from_slice(&buffer[..n]);
                Ok(())
            }
        }
    }
}

fn bad(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
