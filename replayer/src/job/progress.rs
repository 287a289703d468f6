//! How far a lane's job is: which records have been dealt with, which are under way, which are still to come.
//!
//! Sendings follow the order of arrival and end in any order; the log has an order of its own. So neither an offset nor a
//! time alone says how far a job is. This keeps what is open, and gives the checkpoint that says the rest (see
//! [`super::note`]).
//!
//! A request is *claimed* before it may be sent, and the claim is in a checkpoint that the store has confirmed. What a
//! killed run leaves in doubt is therefore what it had claimed and not seen end: a number that has a limit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use umbra_common::store::Mark;
use umbra_common::time::Timestamp;

use super::note::{Head, Part, Saved};
use super::ticket::Stage;
use super::{Lengths, Spot, Ticket};

/// One lane's progress, shared by its feeder, its claims and its sender.
#[derive(Debug)]
pub(crate) struct Progress {
    state: Mutex<State>,
    changed: Condvar,
}

/// In which order a store gives the records of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// By offset.
    Offset,
    /// By arrival: what lies before an offset may still come.
    Arrival,
}

#[derive(Debug)]
struct State {
    order: Order,
    parts: BTreeMap<i32, Known>,
    /// Read, or known to be there, and not claimed.
    untouched: BTreeSet<Spot>,
    /// In doubt, and read in this run.
    claimed: BTreeSet<Spot>,
    /// The timetable's indexes of what has one and has not ended.
    indexes: BTreeSet<u64>,
    head: Head,
    frontier: Option<Spot>,
    /// Claimed requests that somebody still has in hand.
    out: usize,
    /// Whether everything that there is to read has been.
    fed: bool,
    /// Whether somebody waits for an end.
    awaited: bool,
    /// Whether a checkpoint would say something new.
    news: bool,
}

#[derive(Debug, Default)]
struct Known {
    /// Where to read again: what is before it is not needed any more.
    restart: i64,
    /// What is before this offset has been read, or was by the run before.
    read: i64,
    /// What is from here on has never been claimed.
    reach: i64,
    /// Claimed, now or by the run before, and not ended.
    doubt: BTreeSet<i64>,
    /// Left open by the run before, and not read again yet.
    unread: BTreeSet<i64>,
    /// Of these, what was passed over.
    passed_over: BTreeSet<i64>,
    /// Everything that is known and has not ended.
    open: BTreeSet<i64>,
}

impl Progress {
    /// What a record takes in here that has been read and has not ended: its spot, its offset and its index, in trees whose
    /// nodes are half full.
    pub(crate) const PER_RECORD: usize = 2 * (size_of::<Spot>() + size_of::<i64>() + size_of::<u64>());

    /// Of a job that begins.
    pub(crate) fn new(order: Order, lengths: &Lengths) -> Arc<Self> {
        let known =
            |(partition, first)| (partition, Known { restart: first, read: first, reach: first, ..Known::default() });
        let parts = lengths.firsts().map(known).collect();
        Self::with(order, parts, Head::default())
    }

    /// Of one that goes on.
    pub(crate) fn resumed(order: Order, saved: &Saved) -> Arc<Self> {
        let known = |(partition, part): (&i32, &Part)| {
            let Part { restart, prefix, reach, doubt, untouched } = part.clone();
            let open: BTreeSet<i64> = doubt.union(&untouched).copied().collect();
            let read = if order == Order::Offset { reach.max(prefix) } else { prefix };
            (*partition, Known { restart, read, reach, doubt, unread: open.clone(), passed_over: untouched, open })
        };
        let parts = saved.parts.iter().map(known).collect();
        Self::with(order, parts, saved.head.clone())
    }

    fn with(order: Order, parts: BTreeMap<i32, Known>, head: Head) -> Arc<Self> {
        let state = State {
            order,
            parts,
            untouched: BTreeSet::new(),
            claimed: BTreeSet::new(),
            indexes: BTreeSet::new(),
            frontier: head.frontier(),
            head,
            out: 0,
            fed: false,
            awaited: false,
            news: true,
        };
        Arc::new(Self { state: Mutex::new(state), changed: Condvar::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A record was read that may be to send.
    pub(crate) fn read(&self, spot: Spot) {
        let mut state = self.state();
        state.advance(spot);
        state.open(spot);
    }

    /// A record is known to be to send, before it has its turn to be read.
    pub(crate) fn foresee(&self, spot: Spot) {
        self.state().open(spot);
    }

    /// A record was read that is not to be sent, or has been.
    pub(crate) fn pass(&self, spot: Spot) {
        self.state().advance(spot);
    }

    /// A record is left out for good that the run before left in doubt.
    pub(crate) fn leave_out(&self, spot: Spot) {
        let mut state = self.state();
        state.advance(spot);
        state.end(spot);
    }

    /// A record was given its place in the timetable.
    pub(crate) fn enter(self: &Arc<Self>, spot: Spot, index: u64, again: bool) -> Ticket {
        let mut state = self.state();
        state.indexes.insert(index);
        state.head.index = state.head.index.max(index + 1);
        Ticket::new(Arc::clone(self), spot, index, again)
    }

    /// How many more may be claimed, where so many may be in doubt.
    pub(crate) fn room(&self, most: usize) -> usize {
        most.saturating_sub(self.state().in_doubt())
    }

    /// It may be sent from the next checkpoint on.
    pub(super) fn claim(&self, spot: Spot) {
        let mut state = self.state();
        state.untouched.remove(&spot);
        state.claimed.insert(spot);
        state.frontier = state.frontier.max(Some(spot));
        state.out += 1;
        state.news = true;
        if let Some(known) = state.parts.get_mut(&spot.partition) {
            known.doubt.insert(spot.at);
            known.reach = known.reach.max(spot.at + 1);
        }
    }

    /// It has ended.
    pub(super) fn finish(&self, spot: Spot, index: u64, was: Stage) {
        let mut state = self.state();
        state.indexes.remove(&index);
        state.end(spot);
        state.out -= usize::from(was != Stage::Waiting);
        state.head.sent += u64::from(was == Stage::Sent);
        self.tell(state);
    }

    /// It was claimed and will not be sent in this run. `in_doubt`: it may have been sent all the same.
    pub(super) fn let_go(&self, spot: Spot, in_doubt: bool) {
        let mut state = self.state();
        state.out -= 1;
        state.news = true;
        if !in_doubt {
            state.claimed.remove(&spot);
            if let Some(known) = state.parts.get_mut(&spot.partition) {
                known.doubt.remove(&spot.at);
            }
            state.untouched.insert(spot);
        }
        self.tell(state);
    }

    /// A wake-up costs a call of the kernel, so only who waits is woken.
    fn tell(&self, mut state: MutexGuard<'_, State>) {
        if std::mem::take(&mut state.awaited) {
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Waits, for at most so long, until something has ended.
    pub(crate) fn wait(&self, longest: Duration) {
        let mut state = self.state();
        state.awaited = true;
        drop(self.changed.wait_timeout(state, longest).unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether somebody still has a claimed request in hand.
    pub(crate) fn is_out(&self) -> bool {
        self.state().out > 0
    }

    /// Whether a checkpoint would say something new.
    pub(crate) fn has_news(&self) -> bool {
        self.state().news
    }

    /// Everything in a partition before this offset has been dealt with; nothing where the order of reading is another.
    pub(crate) fn prefix(&self, partition: i32) -> Option<i64> {
        let state = self.state();
        let known = state.parts.get(&partition).filter(|_| state.order == Order::Offset)?;
        Some(state.prefix(known))
    }

    /// Where a partition has to be read again, where its prefix does not say so by itself.
    pub(crate) fn set_restart(&self, partition: i32, at: i64) {
        if let Some(known) = self.state().parts.get_mut(&partition) {
            known.restart = known.restart.max(at);
        }
    }

    /// What the timetable has learnt: when the first exchange arrived, and how long one round is.
    pub(crate) fn learn(&self, first: Option<Timestamp>, span: Option<Duration>) {
        let mut state = self.state();
        state.head.first = first.map(Timestamp::as_nanos).or(state.head.first);
        state.head.span = span.and_then(|s| u64::try_from(s.as_nanos()).ok()).or(state.head.span);
    }

    /// Everything that there is to read has been read.
    pub(crate) fn set_fed(&self) {
        let mut state = self.state();
        (state.fed, state.news) = (true, true);
    }

    /// The checkpoint of this moment; `spent` is how long the job has been running by now.
    pub(crate) fn checkpoint(&self, spent: Duration) -> Vec<Mark> {
        let mut state = self.state();
        state.news = false;
        state.head.updated = u64::try_from(Timestamp::now().as_millis()).unwrap_or(0);
        state.head.spent = u64::try_from(spent.as_millis()).unwrap_or(u64::MAX);
        state.saved().to_marks()
    }
}

impl State {
    fn advance(&mut self, spot: Spot) {
        if let Some(known) = self.parts.get_mut(&spot.partition) {
            known.read = known.read.max(spot.at + 1);
            known.unread.remove(&spot.at);
            known.passed_over.remove(&spot.at);
        }
    }

    fn open(&mut self, spot: Spot) {
        let Some(known) = self.parts.get_mut(&spot.partition) else { return };
        known.open.insert(spot.at);
        let known_as = if known.doubt.contains(&spot.at) { &mut self.claimed } else { &mut self.untouched };
        known_as.insert(spot);
    }

    fn end(&mut self, spot: Spot) {
        self.untouched.remove(&spot);
        self.claimed.remove(&spot);
        self.news = true;
        if let Some(known) = self.parts.get_mut(&spot.partition) {
            known.open.remove(&spot.at);
            known.unread.remove(&spot.at);
            known.doubt.remove(&spot.at);
        }
    }

    fn in_doubt(&self) -> usize {
        self.parts.values().map(|known| known.doubt.len()).sum()
    }

    fn prefix(&self, known: &Known) -> i64 {
        match self.order {
            Order::Offset => known.open.first().copied().unwrap_or(known.read),
            Order::Arrival => known.restart,
        }
    }

    fn saved(&self) -> Saved {
        let mut head = self.head.clone();
        head.set_frontier(self.frontier);
        head.index = self.indexes.first().copied().unwrap_or(self.head.index);
        head.low = self.low();
        head.done = self.fed && self.indexes.is_empty();
        let parts = self.parts.iter().map(|(partition, known)| {
            let reach = match self.order {
                Order::Offset => known.reach,
                Order::Arrival => i64::MAX,
            };
            let upto = self.untouched.range(..=self.frontier.unwrap_or(Spot::FIRST));
            let passed = upto.filter(|spot| spot.partition == *partition && spot.at < reach).map(|spot| spot.at);
            let untouched = passed.chain(known.passed_over.iter().copied()).collect();
            let (prefix, restart) = (self.prefix(known), known.restart);
            (*partition, Part { restart, prefix, reach, doubt: known.doubt.clone(), untouched })
        });
        Saved { head, parts: parts.collect() }
    }

    /// The first that has not ended, as far as is known: nothing before it need be read again.
    fn low(&self) -> Option<(u32, u64)> {
        // What the run before left open is read before anything else.
        if self.parts.values().any(|known| !known.unread.is_empty()) {
            return self.head.low;
        }
        let first = self.untouched.first().into_iter().chain(self.claimed.first()).min();
        first.or(self.frontier.as_ref()).map(|spot| (spot.round, spot.arrival.as_nanos()))
    }
}

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;
