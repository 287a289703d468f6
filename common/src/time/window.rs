//! A half-open stretch of recorded arrival time.

use std::fmt;
use std::time::Duration;

use super::Timestamp;

/// `[from, to)`, never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    from: Timestamp,
    to: Timestamp,
}

/// Two moments that make no window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the window is empty: --from {from} is not before --to {to}")]
pub struct WindowError {
    from: Timestamp,
    to: Timestamp,
}

impl Window {
    /// All of recorded time.
    pub const ALL: Self = Self { from: Timestamp::ZERO, to: Timestamp::LAST };

    /// From one moment up to, but without, a later one.
    pub fn new(from: Timestamp, to: Timestamp) -> Result<Self, WindowError> {
        if from < to { Ok(Self { from, to }) } else { Err(WindowError { from, to }) }
    }

    /// The first instant inside.
    pub fn from(self) -> Timestamp {
        self.from
    }

    /// The first instant after it.
    pub fn to(self) -> Timestamp {
        self.to
    }

    /// How long it is.
    pub fn length(self) -> Duration {
        self.to.since(self.from)
    }

    /// Whether an arrival lies inside.
    pub fn contains(self, arrival: Timestamp) -> bool {
        self.from <= arrival && arrival < self.to
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_outside_and_a_backward_window_is_refused() {
        let (a, b) = (Timestamp::from_nanos(1), Timestamp::from_nanos(3));
        let window = Window::new(a, b).unwrap();
        assert!(window.contains(a) && window.contains(Timestamp::from_nanos(2)) && !window.contains(b));
        assert!(Window::new(b, a).unwrap_err().to_string().contains("not before"));
        assert!(Window::new(a, a).is_err());
    }
}
