//! Parts of records into records again, whatever stands between them and in whatever order they come.
//!
//! A joined record has the position of its last part, so positions still grow within a partition. What stands between
//! its parts is given out before it, so "done up to here" does not say from where to read again: an unfinished record
//! may have begun earlier. [`Joiner::restart`] does.
//!
//! **Invariant**: what waits for its other parts is never more than the budget. What is given up, for want of room or
//! because its other parts do not come, is told as [`DecodeError::Incomplete`].

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use rdkafka::message::{BorrowedMessage, Message};

use super::parts::{Part, part_of};
use crate::codec::{self, DecodeError, MAX_RECORD};
use crate::store::{Position, Stored};

/// What may wait for its other parts: the largest record, and others beside it.
const BUDGET: usize = MAX_RECORD + (64 << 20);
/// A record whose next part has not come within so many messages of its partition is given up.
const FAR: i64 = 1_000_000;
/// A record whose next part has not come this long after everything there is was read is given up. A producer that
/// still tries has given up by then, too.
const LONG: Duration = Duration::from_secs(30);
/// What a part takes beside its bytes.
const PART_COST: usize = 128;
/// Of so many joined records a part that comes twice is known as such.
const REMEMBERED: usize = 64;

/// What has come of records that are not whole yet.
pub(super) struct Joiner {
    partitions: BTreeMap<i32, Partition>,
    /// A record without its beginning that arrived before this, in milliseconds, is outside of what is read.
    ignored_before: Option<i64>,
    bytes: usize,
    budget: usize,
    given_up: VecDeque<Stored>,
}

#[derive(Default)]
struct Partition {
    /// The last offset read.
    last: Option<i64>,
    open: HashMap<Box<[u8]>, Open>,
    /// First and last offsets of records that were joined and may not be done.
    spans: Vec<(i64, i64)>,
    joined: VecDeque<Box<[u8]>>,
    /// Since when everything there is has been read.
    at_end: Option<Instant>,
}

struct Open {
    of: u32,
    parts: BTreeMap<u32, Vec<u8>>,
    bytes: usize,
    first: i64,
    last: i64,
    millis: Option<i64>,
}

/// One message, as far as joining goes.
pub(super) struct Piece<'a> {
    pub(super) position: Position,
    /// Absent where the message is a whole record.
    pub(super) part: Option<Part>,
    pub(super) value: &'a [u8],
    /// The message's timestamp.
    pub(super) millis: Option<i64>,
}

impl Joiner {
    pub(super) fn new() -> Self {
        Self { partitions: BTreeMap::new(), ignored_before: None, bytes: 0, budget: BUDGET, given_up: VecDeque::new() }
    }

    /// Says nothing about the ends of records that arrived before this instant, whose beginning is not read.
    pub(super) fn ignoring_before(millis: i64) -> Self {
        Self { ignored_before: Some(millis), ..Self::new() }
    }

    /// The record that a message is or completes, decoded.
    pub(super) fn message(&mut self, message: &BorrowedMessage<'_>) -> Option<Stored> {
        let piece = Piece {
            position: Position { partition: message.partition(), offset: message.offset() },
            part: part_of(message),
            value: message.payload().unwrap_or_default(),
            millis: message.timestamp().to_millis(),
        };
        let (position, value) = self.take(piece)?;
        Some(Stored { position, size: value.len(), exchange: codec::decode(&value) })
    }

    /// The record that a message is or completes, with its position.
    pub(super) fn take<'a>(&mut self, piece: Piece<'a>) -> Option<(Position, Cow<'a, [u8]>)> {
        let Position { partition: number, offset } = piece.position;
        if self.partitions.get(&number).is_some_and(|p| p.last.is_some_and(|last| offset <= last)) {
            // The partition is read again, from an earlier record.
            self.forget(number);
        }
        let partition = self.partitions.entry(number).or_default();
        partition.last = Some(offset);
        partition.at_end = None;
        let Some(part) = piece.part else {
            self.expire(number, offset);
            return Some((piece.position, Cow::Borrowed(piece.value)));
        };
        if partition.joined.contains(&part.id) {
            return None;
        }
        let id = part.id.clone();
        // Two records of one id and different lengths cannot be told apart: the earlier is given up.
        if partition.open.get(&id).is_some_and(|open| open.of != part.of) {
            self.give_up(number, &id);
        }
        let partition = self.partitions.entry(number).or_default();
        let open = partition.open.entry(part.id).or_insert_with(|| Open {
            of: part.of,
            parts: BTreeMap::new(),
            bytes: 0,
            first: offset,
            last: offset,
            millis: piece.millis,
        });
        let before = open.cost();
        open.last = offset;
        let replaced = open.parts.insert(part.number, piece.value.to_vec()).map_or(0, |old| old.len());
        open.bytes = open.bytes + piece.value.len() - replaced;
        self.bytes = self.bytes + open.cost() - before;
        let record = self.finish(number, &id).map(|(at, value)| (at, Cow::Owned(value)));
        self.expire(number, offset);
        self.shrink();
        record
    }

    /// The record, if its last missing part has just come.
    fn finish(&mut self, number: i32, id: &[u8]) -> Option<(Position, Vec<u8>)> {
        let partition = self.partitions.get_mut(&number)?;
        let open = partition.open.get(id)?;
        if open.bytes > MAX_RECORD {
            self.give_up(number, id);
            return None;
        }
        if open.parts.len() < open.of as usize {
            return None;
        }
        let (id, open) = partition.open.remove_entry(id)?;
        self.bytes -= open.cost();
        partition.spans.push((open.first, open.last));
        partition.joined.push_back(id);
        if partition.joined.len() > REMEMBERED {
            partition.joined.pop_front();
        }
        let mut value = Vec::with_capacity(open.bytes);
        open.parts.into_values().for_each(|part| value.extend_from_slice(&part));
        Some((Position { partition: number, offset: open.last }, value))
    }

    /// Gives up what is too far behind in its partition.
    fn expire(&mut self, number: i32, offset: i64) {
        let Some(partition) = self.partitions.get(&number) else { return };
        if partition.open.is_empty() {
            return;
        }
        let gone = partition.open.iter().filter(|(_, open)| offset - open.last > FAR);
        let gone: Vec<Box<[u8]>> = gone.map(|(id, _)| id.clone()).collect();
        gone.iter().for_each(|id| self.give_up(number, id));
    }

    /// Gives up the longest silent until the rest is within the budget.
    fn shrink(&mut self) {
        while self.bytes > self.budget {
            let all = self.partitions.iter().flat_map(|(n, p)| p.open.iter().map(|(id, open)| (open.last, *n, id)));
            let Some((_, number, id)) = all.min().map(|(last, n, id)| (last, n, id.clone())) else { return };
            self.give_up(number, &id);
        }
    }

    /// The last offset that was read of a partition, unless it has been forgotten since.
    pub(super) fn last(&self, partition: i32) -> Option<i64> {
        self.partitions.get(&partition)?.last
    }

    /// Everything there is in a partition has been read.
    pub(super) fn at_end(&mut self, partition: i32) {
        self.partitions.entry(partition).or_default().at_end = Some(Instant::now());
    }

    /// Gives up what has waited for long at the end of its partition. Cheap where nothing waits.
    pub(super) fn tend(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let waited = |p: &Partition| p.at_end.is_some_and(|at| at.elapsed() >= LONG);
        let ended: Vec<i32> = self.partitions.iter().filter(|(_, p)| waited(p)).map(|(n, _)| *n).collect();
        ended.into_iter().for_each(|partition| self.end(partition));
    }

    /// Nothing more of a partition is read: what is not whole stays so.
    pub(super) fn end(&mut self, number: i32) {
        let Some(partition) = self.partitions.get(&number) else { return };
        let open: Vec<Box<[u8]>> = partition.open.keys().cloned().collect();
        open.iter().for_each(|id| self.give_up(number, id));
    }

    /// A partition is somebody else's now, or is read again: nothing is said about what is not whole.
    pub(super) fn forget(&mut self, partition: i32) {
        if let Some(partition) = self.partitions.remove(&partition) {
            self.bytes -= partition.open.values().map(Open::cost).sum::<usize>();
        }
    }

    fn give_up(&mut self, number: i32, id: &[u8]) {
        let Some(open) = self.partitions.get_mut(&number).and_then(|p| p.open.remove(id)) else { return };
        self.bytes -= open.cost();
        let early = self.ignored_before.zip(open.millis).is_some_and(|(before, millis)| millis < before);
        if early && !open.parts.contains_key(&1) {
            return;
        }
        let position = Position { partition: number, offset: open.last };
        let exchange = Err(DecodeError::Incomplete { came: open.parts.len(), of: open.of });
        self.given_up.push_back(Stored { position, size: open.bytes, exchange });
    }

    /// Whether something was given up that has not been told.
    pub(super) fn has_given_up(&self) -> bool {
        !self.given_up.is_empty()
    }

    /// What was given up, each once.
    pub(super) fn next_given_up(&mut self) -> Option<Stored> {
        self.given_up.pop_front()
    }

    /// Where to read again when everything up to and including `upto` is done: behind it, or at the first part of a
    /// record that stands on both sides. `upto` must not go back.
    pub(super) fn restart(&mut self, upto: Position) -> i64 {
        let behind = upto.offset + 1;
        let Some(partition) = self.partitions.get_mut(&upto.partition) else { return behind };
        let mut at = behind;
        loop {
            let open = partition.open.values().map(|open| open.first);
            let joined = partition.spans.iter().filter(|(_, last)| *last >= at).map(|(first, _)| *first);
            match open.chain(joined).min() {
                Some(first) if first < at => at = first,
                _ => break,
            }
        }
        partition.spans.retain(|(_, last)| *last >= at);
        at
    }
}

impl Open {
    /// What it takes of the budget: also a part without bytes takes something.
    fn cost(&self) -> usize {
        self.bytes + self.parts.len() * PART_COST
    }
}

#[cfg(test)]
#[path = "join_tests.rs"]
mod tests;
