//! Where the demo writes: lines to one place, in order, whoever writes them.

use std::fmt::{self, Display};
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// The demo's output. Cheap to clone: the services write their access logs to it too.
#[derive(Clone)]
pub struct Screen {
    to: Arc<Mutex<dyn Write + Send>>,
    styled: bool,
}

/// How a piece of text stands out on a terminal. Anywhere else it is plain.
#[derive(Clone, Copy, Debug)]
pub enum Style {
    /// A heading.
    Bold,
    /// What is there to be seen in passing: access logs, addresses.
    Dim,
    /// It agrees.
    Good,
    /// It does not.
    Bad,
}

impl Style {
    /// The SGR parameter (ECMA-48, 8.3.117).
    fn code(self) -> u8 {
        match self {
            Self::Bold => 1,
            Self::Dim => 2,
            Self::Good => 32,
            Self::Bad => 31,
        }
    }
}

impl Screen {
    /// Standard output, styled where that is a terminal.
    pub fn stdout() -> Self {
        Self { to: Arc::new(Mutex::new(std::io::stdout())), styled: std::io::stdout().is_terminal() }
    }

    /// Plain text to anything else.
    pub fn plain(to: impl Write + Send + 'static) -> Self {
        Self { to: Arc::new(Mutex::new(to)), styled: false }
    }

    /// Writes a line. A reader that has gone away does not stop the demo: its verdict is the exit status.
    pub fn line(&self, text: impl Display) {
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(to, "{text}");
        let _ = to.flush();
    }

    /// Writes a line that stands out.
    pub fn styled(&self, style: Style, text: impl Display) {
        if self.styled {
            self.line(format_args!("\x1b[{}m{text}\x1b[0m", style.code()));
        } else {
            self.line(text);
        }
    }

    /// Writes the heading of the next step, numbered by the caller, with an empty line before and after it.
    pub fn step(&self, text: impl Display) {
        self.line("");
        self.styled(Style::Bold, text);
        self.line("");
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").field("styled", &self.styled).finish_non_exhaustive()
    }
}
