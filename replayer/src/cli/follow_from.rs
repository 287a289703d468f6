//! Where following begins.

use std::fmt;
use std::str::FromStr;

use umbra_common::store::Start;
use umbra_common::time::{Timestamp, When, WhenParseError};

use crate::text::serde_as_text;

/// `latest`, `earliest` or a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowFrom {
    /// What is recorded from now on.
    Latest,
    /// From the beginning of the log.
    Earliest,
    /// From an instant.
    At(When),
}

impl FollowFrom {
    /// The store's word for it.
    pub fn resolve(self, now: Timestamp) -> Start {
        match self {
            Self::Latest => Start::Latest,
            Self::Earliest => Start::Earliest,
            Self::At(when) => Start::At(when.resolve(now)),
        }
    }
}

/// A text that says no place to begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give latest, earliest or a time: {0}")]
pub struct FollowFromParseError(WhenParseError);

impl FromStr for FollowFrom {
    type Err = FollowFromParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "latest" => Ok(Self::Latest),
            "earliest" => Ok(Self::Earliest),
            _ => text.parse().map(Self::At).map_err(FollowFromParseError),
        }
    }
}

impl fmt::Display for FollowFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Earliest => f.write_str("earliest"),
            Self::At(when) => write!(f, "{when}"),
        }
    }
}

serde_as_text!(FollowFrom);
