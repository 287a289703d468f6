//! Several logs into one order, with bounded lateness and bounded memory.
//!
//! Within a partition a record stands at most the *look-ahead* later than its arrival says (a record is written when
//! its exchange ends). So once every partition has shown an arrival of at least `t + look-ahead`, nothing that arrived
//! before `t` can follow: that is the **watermark**, and everything up to it is given out in order. Where the byte
//! budget is used up first, the earliest is given out all the same, and what then comes too late for it is counted.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use umbra_common::time::Timestamp;

/// Holds what cannot be given out yet.
#[derive(Debug)]
pub struct Merge<T> {
    lookahead: Duration,
    budget: usize,
    heap: BinaryHeap<Reverse<Held<T>>>,
    bytes: usize,
    partitions: BTreeMap<i32, Partition>,
    /// The arrival that was given out last.
    last: Timestamp,
    late: u64,
    taken: u64,
}

#[derive(Debug, Default)]
struct Partition {
    /// The latest arrival seen.
    newest: Option<Timestamp>,
    ended: bool,
    /// It has given nothing for so long that nobody waits for it any more.
    stalled: bool,
}

impl Partition {
    fn is_awaited(&self) -> bool {
        !self.ended && !self.stalled
    }
}

#[derive(Debug)]
struct Held<T> {
    arrival: Timestamp,
    /// The order of taking in: equal arrivals stay in it.
    sequence: u64,
    size: usize,
    item: T,
}

impl<T> Held<T> {
    fn key(&self) -> (Timestamp, u64) {
        (self.arrival, self.sequence)
    }
}

impl<T> PartialEq for Held<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Held<T> {}

impl<T> PartialOrd for Held<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Held<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl<T> Merge<T> {
    /// What a place in here takes beside what the item holds: a heap that grows has twice as many as it needs.
    pub const PLACE: usize = 2 * size_of::<Held<T>>();

    /// Over these partitions, holding about `budget` bytes at most.
    pub fn new(partitions: impl IntoIterator<Item = i32>, lookahead: Duration, budget: usize) -> Self {
        Self {
            lookahead,
            budget,
            heap: BinaryHeap::new(),
            bytes: 0,
            partitions: partitions.into_iter().map(|p| (p, Partition::default())).collect(),
            last: Timestamp::ZERO,
            late: 0,
            taken: 0,
        }
    }

    /// A partition has been read up to a record of this arrival, whether or not the record is wanted.
    pub fn advance(&mut self, partition: i32, arrival: Timestamp) {
        let partition = self.partitions.entry(partition).or_default();
        partition.newest = partition.newest.max(Some(arrival));
        partition.stalled = false;
    }

    /// Takes one in that takes this many bytes.
    pub fn push(&mut self, partition: i32, arrival: Timestamp, size: usize, item: T) {
        self.advance(partition, arrival);
        self.taken += 1;
        self.bytes += size;
        self.heap.push(Reverse(Held { arrival, sequence: self.taken, size, item }));
    }

    /// A partition has nothing more.
    pub fn end(&mut self, partition: i32) {
        self.partitions.entry(partition).or_default().ended = true;
    }

    /// No partition has anything more.
    pub fn end_all(&mut self) {
        self.partitions.values_mut().for_each(|p| p.ended = true);
    }

    /// A partition gives nothing: nobody waits for it until it does. What it then has is late.
    pub fn stall(&mut self, partition: i32) {
        self.partitions.entry(partition).or_default().stalled = true;
    }

    /// The newest arrival of the partition that is furthest behind; `None` where none is awaited.
    fn slowest(&self) -> Option<Option<Timestamp>> {
        self.partitions.values().filter(|p| p.is_awaited()).map(|p| p.newest).min()
    }

    /// Up to where nothing earlier can follow; `None` until every partition has shown something.
    fn watermark(&self) -> Option<Timestamp> {
        match self.slowest() {
            None => Some(Timestamp::LAST),
            Some(newest) => newest.map(|t| t.before(self.lookahead)),
        }
    }

    /// The earliest, if nothing earlier can follow or the budget is used up.
    pub fn pop(&mut self) -> Option<(Timestamp, T)> {
        let earliest = self.heap.peek()?.0.arrival;
        let due = self.watermark().is_some_and(|mark| earliest <= mark);
        if !due && self.bytes <= self.budget {
            return None;
        }
        let Reverse(held) = self.heap.pop()?;
        self.bytes -= held.size;
        self.late += u64::from(held.arrival < self.last);
        self.last = self.last.max(held.arrival);
        Some((held.arrival, held.item))
    }

    /// Gives out what is held, in whatever order.
    pub fn drain(&mut self, each: &mut dyn FnMut(T)) {
        self.bytes = 0;
        self.heap.drain().for_each(|Reverse(held)| each(held.item));
    }

    /// Whether a partition is so far ahead of the slowest that reading more of it only costs memory.
    pub fn is_ahead(&self, partition: i32) -> bool {
        let Some(newest) = self.partitions.get(&partition).and_then(|p| p.newest) else { return false };
        let Some(slowest) = self.slowest() else { return false };
        newest.since(slowest.unwrap_or(self.last)) > 2 * self.lookahead && !self.lookahead.is_zero()
    }

    /// The partitions that are still open.
    pub fn open(&self) -> impl Iterator<Item = i32> + '_ {
        self.partitions.iter().filter(|(_, p)| !p.ended).map(|(partition, _)| *partition)
    }

    /// How many were given out after one that arrived later.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// How many are held.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AHEAD: Duration = Duration::from_nanos(10);
    const NOTHING: [u64; 0] = [];

    fn at(nanos: u64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    fn drain(merge: &mut Merge<u64>) -> Vec<u64> {
        std::iter::from_fn(|| merge.pop()).map(|(arrival, _)| arrival.as_nanos()).collect()
    }

    #[test]
    fn nothing_is_given_out_before_every_partition_has_passed_it() {
        let mut merge = Merge::new([0, 1], AHEAD, usize::MAX);
        merge.push(0, at(5), 1, 0);
        merge.push(0, at(100), 1, 0);
        assert_eq!(drain(&mut merge), NOTHING, "partition 1 has shown nothing");
        merge.push(1, at(14), 1, 0);
        assert_eq!(drain(&mut merge), NOTHING, "partition 1 may still give a 4");
        merge.push(1, at(16), 1, 0);
        assert_eq!(drain(&mut merge), [5]);
        merge.end(1);
        assert_eq!(drain(&mut merge), [14, 16]);
        merge.end(0);
        assert_eq!(drain(&mut merge), [100]);
        assert_eq!((merge.late(), merge.len()), (0, 0));
    }

    #[test]
    fn over_the_budget_the_earliest_goes_and_lateness_is_counted() {
        let mut merge = Merge::new([0, 1], AHEAD, 2);
        (0..3).for_each(|i| merge.push(0, at(10 + i), 1, 0));
        assert_eq!(drain(&mut merge), [10]);
        merge.push(1, at(3), 1, 0);
        assert_eq!(drain(&mut merge), [3]);
        assert_eq!(merge.late(), 1);
    }

    #[test]
    fn a_partition_that_ran_ahead_is_named() {
        let mut merge = Merge::<u64>::new([0, 1], AHEAD, usize::MAX);
        merge.advance(0, at(100));
        merge.advance(1, at(90));
        assert!(!merge.is_ahead(0));
        merge.advance(0, at(111));
        assert!(merge.is_ahead(0) && !merge.is_ahead(1));
        merge.end(1);
        assert!(!merge.is_ahead(0));
    }

    #[test]
    fn a_stalled_partition_stops_nobody_and_is_late_afterwards() {
        let mut merge = Merge::new([0, 1], AHEAD, usize::MAX);
        merge.push(0, at(50), 1, 0);
        merge.push(0, at(70), 1, 0);
        assert_eq!(drain(&mut merge), NOTHING);
        merge.stall(1);
        assert_eq!(drain(&mut merge), [50]);
        merge.push(1, at(40), 1, 0);
        merge.end_all();
        assert_eq!(drain(&mut merge), [40, 70]);
        assert_eq!(merge.late(), 1);
    }

    proptest! {
        /// Whatever the partitions and their interleaving: everything comes out once, in order, as long as no record
        /// is later in its log than the look-ahead.
        #[test]
        fn everything_comes_out_once_and_in_order(
            arrivals in prop::collection::vec((0u64..1000, 0i32..4, 0u64..10), 0..200),
        ) {
            let mut logs: Vec<_> = arrivals.iter().map(|(t, p, delay)| (t + delay, *p, *t)).collect();
            logs.sort_unstable();
            let mut merge = Merge::new(0..4, AHEAD, usize::MAX);
            let mut out = Vec::new();
            for (_, partition, arrival) in &logs {
                merge.push(*partition, at(*arrival), 1, *arrival);
                out.extend(drain(&mut merge));
            }
            merge.end_all();
            out.extend(drain(&mut merge));
            let mut expected: Vec<_> = arrivals.iter().map(|(t, ..)| *t).collect();
            expected.sort_unstable();
            prop_assert_eq!(out, expected);
            prop_assert_eq!(merge.late(), 0);
        }

        /// Whatever the budget, everything comes out once, memory stays within it, and `late` counts the steps back.
        #[test]
        fn the_budget_holds_and_lateness_is_counted(
            arrivals in prop::collection::vec((0u64..1000, 0i32..3), 0..200), budget in 0usize..20,
        ) {
            let mut merge = Merge::new(0..3, AHEAD, budget);
            let mut out = Vec::new();
            for (arrival, partition) in &arrivals {
                merge.push(*partition, at(*arrival), 1, *arrival);
                out.extend(drain(&mut merge));
                prop_assert!(merge.len() <= budget);
            }
            merge.end_all();
            out.extend(drain(&mut merge));
            let mut high = 0;
            let late = out.iter().filter(|t| { let late = **t < high; high = high.max(**t); late }).count();
            prop_assert_eq!(merge.late(), late as u64);
            let mut all: Vec<_> = arrivals.iter().map(|(t, _)| *t).collect();
            all.sort_unstable();
            out.sort_unstable();
            prop_assert_eq!(out, all);
        }
    }
}
