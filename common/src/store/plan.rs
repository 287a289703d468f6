//! A window frozen.

use std::fmt;

use crate::time::{Timestamp, Window};

/// For each partition, the offsets that hold the window's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The stretch of arrival time that was asked for.
    pub window: Window,
    /// The partitions that have anything to read, in order.
    pub partitions: Vec<PartitionPlan>,
}

/// What to read of one partition: `[from, to)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionPlan {
    /// The partition; 0 in SQLite.
    pub partition: i32,
    /// The first offset to read.
    pub from: i64,
    /// The first offset not to read any more.
    pub to: i64,
}

/// What the store still has of a window of which a part has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    /// When the first record arrived that is left of it; nothing where none is.
    pub left_from: Option<Timestamp>,
}

impl fmt::Display for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.left_from {
            Some(at) => write!(f, "what is left of it begins at {at}"),
            None => f.write_str("nothing is left of it"),
        }
    }
}

impl Plan {
    /// An upper bound for the records to read: offsets can have gaps, and the slack around the window is in it.
    pub fn at_most(&self) -> u64 {
        self.partitions.iter().map(|p| u64::try_from(p.to - p.from).unwrap_or(0)).sum()
    }
}
