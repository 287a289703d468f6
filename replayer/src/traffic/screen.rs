//! What the output goes to: a terminal has a width and may have colours, a file or a pipe has neither.

use std::io::IsTerminal;

/// Where lines are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// Columns of a terminal; nothing where lines may be as long as they are.
    pub width: Option<usize>,
    /// Whether colours are understood.
    pub colours: bool,
}

/// The colours that are used, each for one meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    /// Headings.
    Faint,
    /// Answers of 2xx.
    Good,
    /// Answers of 3xx and 4xx.
    Notable,
    /// Answers of 5xx, and none.
    Bad,
}

impl Screen {
    /// What standard output is.
    pub fn of_stdout(no_colour: bool) -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        Self { width: width.filter(|_| is_terminal), colours: is_terminal && !no_colour }
    }

    /// A text in a colour, where there are any. The text itself must be safe for a terminal.
    pub(super) fn paint(self, colour: Colour, text: &str) -> String {
        let code = match colour {
            Colour::Faint => "2",
            Colour::Good => "32",
            Colour::Notable => "33",
            Colour::Bad => "31",
        };
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

impl Colour {
    /// For a status, where there was an answer.
    pub(super) fn of_status(status: Option<u16>) -> Self {
        match status {
            Some(200..300) => Self::Good,
            Some(300..500) => Self::Notable,
            _ => Self::Bad,
        }
    }
}
