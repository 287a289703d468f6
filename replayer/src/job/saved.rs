//! What a checkpoint says about a record that is read again.

use std::time::Duration;

use umbra_common::time::Timestamp;

use super::note::Saved;
use super::{Lengths, Spot};

/// What the run before did with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing.
    New,
    /// It has dealt with it.
    Done,
    /// It may have sent it.
    Doubt,
}

impl Saved {
    /// Whether everything has been sent.
    pub(crate) fn is_done(&self) -> bool {
        self.head.done
    }

    /// How many requests may have been sent, with no answer on record.
    pub(crate) fn in_doubt(&self) -> usize {
        self.parts.values().map(|part| part.doubt.len()).sum()
    }

    /// How many requests have been sent.
    pub(super) fn sent(&self) -> u64 {
        self.head.sent
    }

    /// When it was written.
    pub(super) fn updated(&self) -> Timestamp {
        Timestamp::from_millis(self.head.updated)
    }

    /// The timetable's index of the first that is open.
    pub(crate) fn index(&self) -> u64 {
        self.head.index
    }

    /// When the window's first exchange arrived, where that is known.
    pub(crate) fn first(&self) -> Option<Timestamp> {
        self.head.first.map(Timestamp::from_nanos)
    }

    /// How long one round is, where that is known.
    pub(crate) fn span(&self) -> Option<Duration> {
        self.head.span.map(Duration::from_nanos)
    }

    /// How long the job has been running.
    pub(crate) fn spent(&self) -> Duration {
        Duration::from_millis(self.head.spent)
    }

    /// The round that is the first with anything open, and the arrival before which nothing in it is.
    pub(crate) fn low(&self) -> Option<(u32, Timestamp)> {
        self.head.low.map(|(round, arrival)| (round, Timestamp::from_nanos(arrival)))
    }

    /// What of a partition has to be read again: from here on, and up to there to know what is open.
    pub(crate) fn unsettled(&self, partition: i32) -> Option<(i64, i64)> {
        self.parts.get(&partition).map(|part| (part.restart, part.reach))
    }

    /// The first round that has to be read again.
    pub(crate) fn round(&self, lengths: &Lengths) -> u32 {
        let of_part = self.parts.iter().map(|(partition, part)| lengths.round(*partition, part.restart)).min();
        self.low().map_or(0, |(round, _)| round).max(of_part.unwrap_or(0))
    }

    /// What the run before did with a record.
    pub(crate) fn standing(&self, spot: Spot) -> Standing {
        let Some(part) = self.parts.get(&spot.partition) else { return Standing::New };
        let passed = spot.at < part.reach && self.head.frontier() >= Some(spot);
        if part.doubt.contains(&spot.at) {
            Standing::Doubt
        } else if part.untouched.contains(&spot.at) || !(spot.at < part.prefix || passed) {
            Standing::New
        } else {
            Standing::Done
        }
    }
}
