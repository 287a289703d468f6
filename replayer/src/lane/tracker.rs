//! Which records of a followed log are done: for each partition the longest prefix without a gap.
//!
//! Requests end in any order, but a position in the log says "everything up to here". So a record that ended is only
//! told to the store when all before it have ended: after a crash none is lost, and those behind the first open one
//! are sent again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use umbra_common::store::Position;

use crate::report::Receipt;

/// The records under way, by partition.
#[derive(Debug, Default)]
pub(super) struct Tracker(Mutex<BTreeMap<i32, Partition>>);

#[derive(Debug, Default)]
struct Partition {
    /// Grows when the partition is read again from an earlier record: what was under way before no longer counts.
    reading: u64,
    /// Offsets in the order of reading, and whether each has ended.
    open: VecDeque<(i64, bool)>,
    /// The last offset that was read.
    last: Option<i64>,
    /// The end of the done prefix, until it is taken.
    done: Option<i64>,
}

/// One record under way.
#[derive(Debug)]
pub(crate) struct Ticket {
    tracker: Arc<Tracker>,
    position: Position,
    reading: u64,
}

impl Tracker {
    /// A record has been read.
    pub(super) fn begin(self: &Arc<Self>, position: Position) -> Ticket {
        let mut partitions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let partition = partitions.entry(position.partition).or_default();
        if partition.last.is_some_and(|last| position.offset <= last) {
            // The group gave the partition away and got it back, from where its last holder was.
            *partition = Partition { reading: partition.reading + 1, ..Partition::default() };
        }
        partition.last = Some(position.offset);
        partition.open.push_back((position.offset, false));
        Ticket { tracker: Arc::clone(self), position, reading: partition.reading }
    }

    /// A record that was never whole has been given up: it stands in nobody's way, and out of order.
    pub(super) fn aside(self: &Arc<Self>, position: Position) -> Ticket {
        Ticket { tracker: Arc::clone(self), position, reading: u64::MAX }
    }

    /// The done prefixes that have grown since the last call.
    pub(super) fn take_done(&self) -> Vec<Position> {
        let mut partitions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = partitions.iter_mut().filter_map(|(partition, state)| Some((*partition, state.done.take()?)));
        taken.map(|(partition, offset)| Position { partition, offset }).collect()
    }

    fn finish(&self, position: Position, reading: u64) {
        let mut partitions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(partition) = partitions.get_mut(&position.partition).filter(|p| p.reading == reading) else { return };
        if let Ok(at) = partition.open.binary_search_by_key(&position.offset, |(offset, _)| *offset) {
            partition.open[at].1 = true;
        }
        while let Some((offset, true)) = partition.open.front().copied() {
            partition.open.pop_front();
            partition.done = Some(offset);
        }
    }
}

impl Receipt for Ticket {
    fn done(self) {
        self.tracker.finish(self.position, self.reading);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(offset: i64) -> Position {
        Position { partition: 0, offset }
    }

    #[test]
    fn only_a_prefix_without_a_gap_is_done() {
        let tracker = Arc::new(Tracker::default());
        let (a, b, c) = (tracker.begin(at(5)), tracker.begin(at(8)), tracker.begin(at(9)));
        b.done();
        assert_eq!(tracker.take_done(), []);
        a.done();
        assert_eq!(tracker.take_done(), [at(8)]);
        assert_eq!(tracker.take_done(), []);
        drop(c);
        assert_eq!(tracker.take_done(), [], "what was dropped is not done");
    }

    #[test]
    fn a_partition_that_comes_back_forgets_what_was_under_way() {
        let tracker = Arc::new(Tracker::default());
        let (old_first, old_second) = (tracker.begin(at(5)), tracker.begin(at(6)));
        let first = tracker.begin(at(5));
        let second = tracker.begin(at(6));
        old_first.done();
        old_second.done();
        assert_eq!(tracker.take_done(), []);
        second.done();
        first.done();
        assert_eq!(tracker.take_done(), [at(6)]);
    }

    proptest! {
        /// Whatever the order of ending: what is told never passes the first record that has not ended, and never
        /// falls short of it.
        #[test]
        fn the_told_prefix_is_exact(
            gaps in prop::collection::vec(1i64..4, 1..60), order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        ) {
            let tracker = Arc::new(Tracker::default());
            let offsets: Vec<i64> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
            let mut open: Vec<(i64, Ticket)> = offsets.iter().map(|o| (*o, tracker.begin(at(*o)))).collect();
            let mut told = None;
            for index in order {
                if open.is_empty() {
                    break;
                }
                open.remove(index.index(open.len())).1.done();
                told = tracker.take_done().first().map(|p| p.offset).or(told);
                let first_open = open.iter().map(|(o, _)| *o).min().unwrap_or(i64::MAX);
                prop_assert_eq!(told, offsets.iter().copied().filter(|o| *o < first_open).max());
            }
        }
    }
}
