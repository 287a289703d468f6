//! The ledger: where every exchange ended, to the unit.
//!
//! **Invariant**: `seen` is the sum of all ends plus the entries still open. An exchange enters by [`Ledger::open`],
//! which counts it as seen and hands out an [`Entry`]; the entry is consumed by [`Entry::end`] with exactly one
//! outcome. An entry that is dropped instead (a panic, a cancelled task) ends in the outcome's
//! [`ABANDONED`](Outcome::ABANDONED), so that the sum holds whatever happens.
//!
//! The two programs have one outcome type each: [`RecordOutcome`] and [`ReplayOutcome`].

mod outcome;

pub use outcome::{DropReason, RecordOutcome, ReplayDrop, ReplayOutcome, ReplaySkip, SendFailure, SkipReason};

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A closed set of ways an exchange can end.
pub trait Outcome: Copy + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// Every outcome, each once.
    const ALL: &'static [Self];
    /// What an entry that was never ended counts as.
    const ABANDONED: Self;

    /// The state in the ledger's sum: `recorded`, `skipped`, …
    fn state(self) -> &'static str;

    /// Why, for the states that have reasons; empty for those that have none.
    fn reason(self) -> &'static str;
}

/// The counts. Cheap to share: every method takes `&self`, every count is one atomic addition.
#[derive(Debug)]
pub struct Ledger<O: Outcome> {
    seen: AtomicU64,
    ended: Vec<AtomicU64>,
    outcomes: std::marker::PhantomData<O>,
}

impl<O: Outcome> Ledger<O> {
    /// An empty ledger.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            seen: AtomicU64::new(0),
            ended: O::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            outcomes: std::marker::PhantomData,
        })
    }

    /// Counts an exchange as seen; the entry must be ended once.
    pub fn open(self: &Arc<Self>) -> Entry<O> {
        self.seen.fetch_add(1, Ordering::Relaxed);
        Entry { ledger: Some(Arc::clone(self)) }
    }

    fn count(&self, outcome: O) {
        if let Some(at) = O::ALL.iter().position(|o| *o == outcome) {
            self.ended[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The counts now. While traffic flows, entries may be open and the parts are read one after the other.
    pub fn snapshot(&self) -> Snapshot {
        // Ends are read before `seen`: an entry is seen before it ends, so the sum never exceeds what was seen.
        let ends: Vec<End> = O::ALL
            .iter()
            .zip(&self.ended)
            .map(|(o, n)| End { state: o.state(), reason: o.reason(), count: n.load(Ordering::Acquire) })
            .collect();
        Snapshot { seen: self.seen.load(Ordering::Acquire), ends }
    }
}

/// One exchange that has been seen and has not ended.
#[derive(Debug)]
#[must_use = "every exchange ends in exactly one state of the ledger"]
pub struct Entry<O: Outcome> {
    ledger: Option<Arc<Ledger<O>>>,
}

impl<O: Outcome> Entry<O> {
    /// Ends the exchange.
    pub fn end(mut self, outcome: O) {
        if let Some(ledger) = self.ledger.take() {
            ledger.count(outcome);
        }
    }
}

impl<O: Outcome> Drop for Entry<O> {
    fn drop(&mut self) {
        if let Some(ledger) = self.ledger.take() {
            ledger.count(O::ABANDONED);
        }
    }
}

/// The counts at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Exchanges seen.
    pub seen: u64,
    /// Where they ended: every outcome, also those with a count of zero.
    pub ends: Vec<End>,
}

/// The count of one outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The state in the sum.
    pub state: &'static str,
    /// Why; empty where the state has no reasons.
    pub reason: &'static str,
    /// How many exchanges ended so.
    pub count: u64,
}

impl Snapshot {
    /// How many ended in a state, over all of its reasons.
    pub fn state(&self, state: &str) -> u64 {
        self.ends.iter().filter(|e| e.state == state).map(|e| e.count).sum()
    }

    /// How many ended in a state for one reason.
    pub fn reason(&self, state: &str, reason: &str) -> u64 {
        self.ends.iter().filter(|e| e.state == state && e.reason == reason).map(|e| e.count).sum()
    }

    /// How many have ended.
    pub fn ended(&self) -> u64 {
        self.ends.iter().map(|e| e.count).sum()
    }

    /// How many were seen and have not ended.
    pub fn open(&self) -> u64 {
        self.seen.saturating_sub(self.ended())
    }

    /// Whether everything that was seen has ended: the sum, to the unit.
    pub fn balances(&self) -> bool {
        self.seen == self.ended()
    }
}

/// `seen 12 = recorded 10 + sampled_out 1 + dropped{memory} 1`: the sum on one line, without what is zero.
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seen {} =", self.seen)?;
        let mut sign = "";
        for end in self.ends.iter().filter(|e| e.count > 0) {
            match end.reason {
                "" => write!(f, "{sign} {} {}", end.state, end.count)?,
                reason => write!(f, "{sign} {}{{{reason}}} {}", end.state, end.count)?,
            }
            sign = " +";
        }
        if self.open() > 0 {
            write!(f, "{sign} open {}", self.open())?;
        } else if self.seen == 0 {
            f.write_str(" 0")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_holds_also_for_what_was_abandoned() {
        let ledger = Ledger::<RecordOutcome>::new();
        ledger.open().end(RecordOutcome::Recorded);
        ledger.open().end(RecordOutcome::SampledOut);
        ledger.open().end(RecordOutcome::Skipped(SkipReason::Marked));
        drop(ledger.open());
        let open = ledger.open();
        let now = ledger.snapshot();
        assert_eq!((now.seen, now.ended(), now.open(), now.balances()), (5, 4, 1, false));
        assert_eq!(now.reason("dropped", "abandoned"), 1);
        assert_eq!(
            now.to_string(),
            "seen 5 = recorded 1 + sampled_out 1 + skipped{marked} 1 + dropped{abandoned} 1 + open 1"
        );
        open.end(RecordOutcome::Recorded);
        assert!(ledger.snapshot().balances());
        assert_eq!(ledger.snapshot().state("recorded"), 2);
    }

    fn each_outcome_is_its_own<O: Outcome>() {
        let mut names: Vec<_> = O::ALL.iter().map(|o| (o.state(), o.reason())).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), O::ALL.len());
        assert!(names.contains(&(O::ABANDONED.state(), O::ABANDONED.reason())));
    }

    #[test]
    fn outcomes_are_told_apart() {
        each_outcome_is_its_own::<RecordOutcome>();
        each_outcome_is_its_own::<ReplayOutcome>();
    }

    #[test]
    fn counting_from_many_threads_loses_nothing() {
        let ledger = Ledger::<RecordOutcome>::new();
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| (0..10_000).for_each(|_| ledger.open().end(RecordOutcome::Recorded)));
            }
        });
        assert_eq!(ledger.snapshot().to_string(), "seen 40000 = recorded 40000");
    }
}
