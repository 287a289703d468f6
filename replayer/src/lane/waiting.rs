//! What `follow --delay` has read and may not send yet, in the order of arrival.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use umbra_common::store::Position;
use umbra_common::time::Timestamp;

use super::outlet::Outgoing;
use crate::report::Receipt;

/// Records wait here until their time, over all partitions: each is read in chunks, so one is read ahead of another.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    records: BinaryHeap<Reverse<Waiter<T>>>,
    bytes: usize,
}

/// One record; ordered by its time, and by its place in the log where that is the same.
#[derive(Debug)]
pub(super) struct Waiter<T> {
    /// When it may leave.
    pub(super) due: Timestamp,
    /// Where it stood in the log.
    pub(super) position: Position,
    /// What it takes up.
    pub(super) size: usize,
    /// The request.
    pub(super) item: T,
}

/// Beyond this many bytes the rest waits in the log. Enough for several chunks of each partition.
const LIMIT: usize = 64 << 20;

impl<T> Waiter<T> {
    fn key(&self) -> (Timestamp, Position) {
        (self.due, self.position)
    }
}

impl<R: Receipt> Waiter<Outgoing<R>> {
    /// What one takes up that waits: a heap that grows has twice as many places as it needs.
    pub(super) fn footprint(request: &Outgoing<R>) -> usize {
        2 * size_of::<Reverse<Self>>() + request.footprint()
    }
}

impl<T> PartialEq for Waiter<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Waiter<T> {}

impl<T> PartialOrd for Waiter<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Waiter<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl<T> Waiting<T> {
    /// With nobody inside.
    pub(super) fn new() -> Self {
        Self { records: BinaryHeap::new(), bytes: 0 }
    }

    /// Whether more should stay in the log.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= LIMIT
    }

    /// One more.
    pub(super) fn push(&mut self, waiter: Waiter<T>) {
        self.bytes += waiter.size;
        self.records.push(Reverse(waiter));
    }

    /// The first whose time has come by `now`.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<Waiter<T>> {
        if self.records.peek()?.0.due > now {
            return None;
        }
        let Reverse(waiter) = self.records.pop()?;
        self.bytes -= waiter.size;
        Some(waiter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(millis: u64, partition: i32, size: usize) -> Waiter<u64> {
        let position = Position { partition, offset: 0 };
        Waiter { due: Timestamp::from_millis(millis), position, size, item: millis }
    }

    #[test]
    fn they_leave_in_the_order_of_their_times_and_not_before() {
        let mut waiting = Waiting::new();
        for (at, partition) in [(30, 0), (50, 0), (10, 1), (40, 1)] {
            waiting.push(waiter(at, partition, 10));
        }
        assert!(waiting.pop(Timestamp::from_millis(9)).is_none());
        let mut left = Vec::new();
        while let Some(waiter) = waiting.pop(Timestamp::from_millis(40)) {
            left.push(waiter.item);
        }
        assert_eq!(left, [10, 30, 40]);
        assert_eq!(waiting.pop(Timestamp::from_millis(50)).map(|w| w.item), Some(50));
    }

    #[test]
    fn so_many_bytes_wait_here_and_the_rest_in_the_log() {
        let mut waiting = Waiting::new();
        waiting.push(waiter(1, 0, LIMIT - 1));
        assert!(!waiting.is_full());
        waiting.push(waiter(2, 0, 1));
        assert!(waiting.is_full());
        waiting.pop(Timestamp::from_millis(1));
        assert!(!waiting.is_full());
    }
}
