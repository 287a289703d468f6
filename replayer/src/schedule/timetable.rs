//! The due times of one window, in the order in which its exchanges arrived.

use std::time::Duration;

use umbra_common::time::Timestamp;

use super::Pace;

/// Gives each exchange its due time.
#[derive(Debug)]
pub struct Timetable {
    pace: Pace,
    first: Option<Timestamp>,
    index: u64,
}

impl Timetable {
    /// An empty one.
    pub fn new(pace: Pace) -> Self {
        Self { pace, first: None, index: 0 }
    }

    /// When the next exchange is due after the start; nothing where the pace has no schedule.
    ///
    /// Every exchange of the window counts, also those that other shards send: all shards have one timetable.
    pub fn next(&mut self, arrival: Timestamp) -> Option<Duration> {
        let first = *self.first.get_or_insert(arrival);
        let due = self.pace.due(self.index, arrival.since(first));
        self.index += 1;
        due
    }

    /// How many have been given a time.
    pub fn len(&self) -> u64 {
        self.index
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.index == 0
    }
}
