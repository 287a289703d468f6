//! A target: a name for people and metrics, and where it is.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{TargetUrl, TargetUrlError};
use crate::text::serde_as_text;

/// `NAME=URL`: one staging cluster or server that shadow requests go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Names the target in reports, metrics, the marker field and the consumer group.
    pub name: Arc<str>,
    /// Where it is.
    pub url: TargetUrl,
}

/// A text that names no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetParseError {
    /// No name.
    #[error("'{0}' is no target: give NAME=URL, as in staging=http://127.0.0.1:8080")]
    Form(String),
    /// A name that a consumer group or a header field could not carry.
    #[error("'{0}' is no target name: use up to 64 of a-z A-Z 0-9 . _ -")]
    Name(String),
    /// What follows the name.
    #[error(transparent)]
    Url(#[from] TargetUrlError),
}

impl FromStr for Target {
    type Err = TargetParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        /// Leaves room for a prefix within Kafka's 249.
        const LONGEST: usize = 64;
        let (name, url) = text.split_once('=').ok_or_else(|| TargetParseError::Form(text.to_owned()))?;
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if !(1..=LONGEST).contains(&name.len()) || !name.bytes().all(allowed) {
            return Err(TargetParseError::Name(name.to_owned()));
        }
        Ok(Self { name: name.into(), url: url.parse()? })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.url)
    }
}

serde_as_text!(Target);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_name_and_a_url() {
        let target: Target = "v2=http://127.0.0.1:8080".parse().unwrap();
        assert_eq!((&*target.name, target.url.port), ("v2", 8080));
        let error = |text: &str| text.parse::<Target>().unwrap_err().to_string();
        assert!(error("http://127.0.0.1:8080").contains("give NAME=URL"));
        assert!(error("=http://a").contains("is no target name"));
        assert!(error("a b=http://a").contains("is no target name"));
        assert!(error("a=b").contains("is no target URL"));
    }
}
