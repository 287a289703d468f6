//! What becomes of a request that is behind its schedule.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use umbra_common::time::{DurationParseError, HumanDuration};

use crate::text::serde_as_text;

/// `keep`, `drop` or `drop:DURATION`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behind {
    /// It is sent late: the lag grows, and nothing is lost.
    #[default]
    Keep,
    /// One that could leave only later than this is skipped, and counted.
    Drop(Duration),
}

/// What `drop` alone means: later than this nobody calls the schedule kept.
const USUAL: Duration = Duration::from_secs(1);

/// A text that is neither.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BehindParseError {
    /// Another word.
    #[error("'{0}' says nothing about what is behind: give keep, drop or a bound, as in drop:500ms")]
    Form(String),
    /// A bound that is none.
    #[error("in '{text}': {source}")]
    Duration {
        /// As given.
        text: String,
        /// What is wrong.
        source: DurationParseError,
    },
    /// A bound that every request is over.
    #[error("'{0}' would drop every request: give a time above zero")]
    Zero(String),
}

impl FromStr for Behind {
    type Err = BehindParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bound = match text {
            "keep" => return Ok(Self::Keep),
            "drop" => return Ok(Self::Drop(USUAL)),
            _ => text.strip_prefix("drop:").ok_or_else(|| BehindParseError::Form(text.to_owned()))?,
        };
        let bound: HumanDuration =
            bound.parse().map_err(|source| BehindParseError::Duration { text: text.to_owned(), source })?;
        if bound.0.is_zero() { Err(BehindParseError::Zero(text.to_owned())) } else { Ok(Self::Drop(bound.0)) }
    }
}

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep => f.write_str("keep"),
            Self::Drop(bound) => write!(f, "drop:{}", HumanDuration(*bound)),
        }
    }
}

serde_as_text!(Behind);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_are_read_and_written() {
        for (text, written) in [("keep", "keep"), ("drop", "drop:1s"), ("drop:500ms", "drop:500ms")] {
            assert_eq!(text.parse::<Behind>().unwrap().to_string(), written);
        }
        let error = |text: &str| text.parse::<Behind>().unwrap_err().to_string();
        assert!(error("skip").contains("give keep, drop or a bound"));
        assert!(error("drop:").contains("is no duration"));
        assert!(error("drop:0s").contains("would drop every request"));
    }
}
