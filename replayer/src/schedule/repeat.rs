//! How often a window is sent.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use umbra_common::time::HumanDuration;

use crate::text::serde_as_text;

/// `3`: three times; `for=1h`: again and again until an hour after the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// So many times.
    Times(u32),
    /// Until so long after the start.
    For(Duration),
}

impl Repeat {
    /// As it is without being asked for anything else.
    pub const ONCE: Self = Self::Times(1);
}

impl Default for Repeat {
    fn default() -> Self {
        Self::ONCE
    }
}

/// A text that says no such thing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no number of rounds: give how many, as in 3, or for how long, as in for=1h")]
pub struct RepeatParseError(String);

impl FromStr for Repeat {
    type Err = RepeatParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || RepeatParseError(text.to_owned());
        match text.strip_prefix("for=") {
            Some(time) => {
                let HumanDuration(time) = time.parse().map_err(|_| error())?;
                if time.is_zero() { Err(error()) } else { Ok(Self::For(time)) }
            }
            None => text.parse().ok().filter(|times| *times > 0).map(Self::Times).ok_or_else(error),
        }
    }
}

impl fmt::Display for Repeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Times(times) => write!(f, "{times}"),
            Self::For(time) => write!(f, "for={}", HumanDuration(*time)),
        }
    }
}

serde_as_text!(Repeat);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_a_number_or_a_time() {
        for good in ["1", "20", "for=1h", "for=90s"] {
            let repeat: Repeat = good.parse().unwrap();
            assert_eq!(repeat.to_string().parse(), Ok(repeat), "{good}");
        }
        for bad in ["", "0", "-1", "x", "for=", "for=0s", "for=1", "1h"] {
            assert!(bad.parse::<Repeat>().unwrap_err().to_string().contains("is no number of rounds"), "{bad}");
        }
    }
}
