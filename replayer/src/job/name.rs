//! A job's name, and the names of its checkpoints.

use std::fmt;
use std::str::FromStr;

use crate::schedule::Shard;
use crate::text::serde_as_text;

/// Names one replay, wherever it goes on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobName(String);

/// A text that is no job's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no job name: use up to 64 of a-z A-Z 0-9 . _ -")]
pub struct JobNameError(String);

/// What all names of checkpoints begin with. No target's name has a colon, so none is the group that follows for one.
const PREFIX: &str = "umbra-job:";

/// Whose checkpoint: the job's own, which says what it is, or that of one target in one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Job,
    Lane { shard: Shard, target: String },
}

impl JobName {
    /// The name of the checkpoint that says what the job is.
    pub(super) fn definition(&self) -> String {
        format!("{PREFIX}{}", self.0)
    }

    /// The name of one target's checkpoint.
    pub(super) fn lane(&self, shard: Shard, target: &str) -> String {
        format!("{PREFIX}{}:{shard}:{target}", self.0)
    }

    /// What the names of all jobs' checkpoints begin with.
    pub(super) fn prefix() -> &'static str {
        PREFIX
    }

    /// The job and the owner that a checkpoint's name says.
    pub(super) fn parse(name: &str) -> Option<(Self, Owner)> {
        let mut parts = name.strip_prefix(PREFIX)?.splitn(3, ':');
        let job = parts.next()?.parse().ok()?;
        let owner = match (parts.next(), parts.next()) {
            (None, _) => Owner::Job,
            (Some(shard), Some(target)) => Owner::Lane { shard: shard.parse().ok()?, target: target.to_owned() },
            (Some(_), None) => return None,
        };
        Some((job, owner))
    }
}

impl FromStr for JobName {
    type Err = JobNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        /// Leaves room for a target's name within what tools show.
        const LONGEST: usize = 64;
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if (1..=LONGEST).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(JobNameError(text.to_owned()))
        }
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(JobName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_checkpoints_say_whose_they_are() {
        let (name, shard) = ("nightly.1".parse::<JobName>().unwrap(), "2/4".parse::<Shard>().unwrap());
        assert_eq!(JobName::parse(&name.definition()), Some((name.clone(), Owner::Job)));
        let lane = name.lane(shard, "v2");
        assert_eq!(lane, "umbra-job:nightly.1:2/4:v2");
        assert_eq!(JobName::parse(&lane), Some((name, Owner::Lane { shard, target: "v2".into() })));
        for other in ["umbra-v2", "umbra-job:", "umbra-job:a:1/2", "umbra-job:a:3/2:x"] {
            assert_eq!(JobName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_no_name_is_said_so() {
        for bad in ["", "a b", "a:b", "ä", &"x".repeat(65)] {
            assert!(bad.parse::<JobName>().unwrap_err().to_string().contains("is no job name"), "{bad}");
        }
    }
}
