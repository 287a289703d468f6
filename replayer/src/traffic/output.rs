//! How exchanges are printed.

use std::fmt;
use std::str::FromStr;

use crate::text::serde_as_text;

/// What `--output` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// One line for each, in columns, for people.
    Table,
    /// One JSON object a line, for programs.
    Json,
    /// As the messages stood on the wire, control bytes escaped.
    Http,
    /// A shell command that sends the request again.
    Curl,
    /// An HTTP Archive, for browsers' tools and load testers.
    Har,
}

/// A text that is no output format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no output format: give table, json, http, curl or har")]
pub struct OutputParseError(String);

impl FromStr for Output {
    type Err = OutputParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            "http" => Ok(Self::Http),
            "curl" => Ok(Self::Curl),
            "har" => Ok(Self::Har),
            _ => Err(OutputParseError(text.to_owned())),
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Http => "http",
            Self::Curl => "curl",
            Self::Har => "har",
        })
    }
}

serde_as_text!(Output);
