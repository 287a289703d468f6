//! A plan's records in order of arrival: the store's reader and the merge together.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use umbra_common::store::{EMIT_AFTER, Next, Plan, Position, Read, Store, StoreError, Stored};
use umbra_common::time::Timestamp;

use super::{Footprint, Merge};

/// How much later in its partition than its arrival says a record is expected at most: the recorder's own limit, and
/// time for a batch to be written. What is later still is given out as late.
const LOOKAHEAD: Duration = EMIT_AFTER.saturating_add(Duration::from_secs(2));
/// What is held back for order, in bytes of memory.
const BUDGET: usize = 64 << 20;
/// A store that gives nothing for this long has stalled: what is held goes out without waiting for more.
const STALLED: Duration = Duration::from_secs(10);

/// Reads a plan in order of arrival.
pub struct Ordered<T> {
    read: Box<dyn Read>,
    merge: Merge<T>,
    held: BTreeSet<i32>,
    ended: bool,
    idle_since: Option<Instant>,
}

/// What reading gave.
#[derive(Debug)]
pub enum Step<T> {
    /// The next in order.
    Item(Timestamp, T),
    /// Nothing within the wait.
    Idle,
    /// The plan is read.
    End,
}

impl<T: Footprint> Ordered<T> {
    /// Begins to read.
    pub fn open(store: &Store, plan: &Plan) -> Result<Self, StoreError> {
        let lookahead = match store {
            // One log, given in order of arrival.
            Store::Sqlite(_) => Duration::ZERO,
            Store::Kafka(_) => LOOKAHEAD,
        };
        Ok(Self::over(store.read(plan)?, plan, lookahead))
    }

    fn over(read: Box<dyn Read>, plan: &Plan, lookahead: Duration) -> Self {
        let partitions = plan.partitions.iter().map(|p| p.partition);
        Self {
            read,
            merge: Merge::new(partitions, lookahead, BUDGET),
            held: BTreeSet::new(),
            ended: false,
            idle_since: None,
        }
    }

    /// The next item in order. `admit` sees each record once, as it is read, and says when it arrived and what it
    /// becomes, or nothing where it is not wanted.
    pub fn next(
        &mut self,
        wait: Duration,
        admit: &mut dyn FnMut(Stored) -> Admitted<T>,
    ) -> Result<Step<T>, StoreError> {
        loop {
            if let Some((arrival, item)) = self.merge.pop() {
                return Ok(Step::Item(arrival, item));
            }
            if self.ended {
                return Ok(Step::End);
            }
            self.balance()?;
            match self.read.next(wait)? {
                Next::Record(stored) => {
                    self.idle_since = None;
                    let partition = stored.position.partition;
                    match admit(stored) {
                        Admitted::Wanted(arrival, item) => {
                            self.merge.push(partition, arrival, Merge::<T>::PLACE + item.footprint(), item);
                        }
                        Admitted::Unwanted(Some(arrival)) => self.merge.advance(partition, arrival),
                        Admitted::Unwanted(None) => {}
                    }
                }
                Next::PartitionEnd(partition) => self.merge.end(partition),
                Next::End => {
                    self.ended = true;
                    self.merge.end_all();
                }
                Next::Idle => return Ok(self.idle()),
            }
        }
    }

    /// A partition that gives nothing holds the others up, but not for ever.
    fn idle(&mut self) -> Step<T> {
        let since = *self.idle_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= STALLED && !(self.merge.is_empty() && self.held.is_empty()) {
            let silent: Vec<i32> = self.merge.open().filter(|p| !self.held.contains(p)).collect();
            tracing::warn!(partitions = ?silent, "nothing comes from these partitions; going on without them");
            silent.into_iter().for_each(|p| self.merge.stall(p));
            self.idle_since = None;
        }
        Step::Idle
    }

    /// Holds partitions that ran ahead, and resumes them when the others have caught up.
    fn balance(&mut self) -> Result<(), StoreError> {
        let changed: Vec<i32> =
            self.merge.open().filter(|p| self.merge.is_ahead(*p) != self.held.contains(p)).collect();
        for partition in changed {
            let hold = !self.held.remove(&partition) && self.held.insert(partition);
            self.read.hold(partition, hold)?;
        }
        Ok(())
    }

    /// Where a later read has to begin when everything of a partition up to and including `upto` is done.
    pub fn restart(&mut self, upto: Position) -> i64 {
        self.read.restart(upto)
    }

    /// How many positions were removed from the log before they were read.
    pub fn gone(&self) -> u64 {
        self.read.gone()
    }

    /// Gives out what is held, in whatever order.
    pub fn drain(&mut self, each: &mut dyn FnMut(T)) {
        self.merge.drain(each);
    }

    /// How many were given out after one that arrived later.
    pub fn late(&self) -> u64 {
        self.merge.late()
    }
}

/// What becomes of a record that was read.
#[derive(Debug)]
pub enum Admitted<T> {
    /// It arrived then, and is to be given out in order as this.
    Wanted(Timestamp, T),
    /// It is not wanted; it arrived then, if that is known.
    Unwanted(Option<Timestamp>),
}
