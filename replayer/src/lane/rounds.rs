//! A window's records, as often as they are to be sent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use umbra_common::store::{PartitionPlan, Plan, Position, Store, StoreError, Stored};
use umbra_common::time::Window;

use super::Candidate;
use crate::job::{Lengths, Progress, Saved};
use crate::merge::{Admitted, Ordered, Step};

/// Reads a plan from its beginning to its end, again and again.
pub(crate) struct Rounds {
    store: Arc<Store>,
    plan: Plan,
    lengths: Lengths,
    resumed: Option<Arc<Saved>>,
    round: u32,
    records: Ordered<Candidate>,
    /// Records that came out of order in the rounds before.
    late: u64,
    /// Positions that were removed before they were read in the rounds before.
    gone: u64,
    settled: Option<Instant>,
}

/// How often it is worked out where to read again.
const SETTLE_EVERY: Duration = Duration::from_millis(50);

impl Rounds {
    /// Begins with the first round, or where an earlier run has something open.
    pub(crate) fn open(store: Arc<Store>, plan: Plan, resumed: Option<Arc<Saved>>) -> Result<Self, StoreError> {
        let lengths = Lengths::of(&plan);
        let round = resumed.as_ref().map_or(0, |saved| saved.round(&lengths));
        let records = Ordered::open(&store, &part(&store, &plan, &lengths, resumed.as_deref(), round))?;
        Ok(Self { store, plan, lengths, resumed, round, records, late: 0, gone: 0, settled: None })
    }

    /// How many rounds have been read.
    pub(crate) fn round(&self) -> u32 {
        self.round
    }

    /// The next record in order of arrival; the end is that of the round.
    pub(crate) fn next(
        &mut self,
        wait: Duration,
        admit: &mut dyn FnMut(Stored) -> Admitted<Candidate>,
    ) -> Result<Step<Candidate>, StoreError> {
        self.records.next(wait, admit)
    }

    /// Begins the next round.
    pub(crate) fn begin_next(&mut self) -> Result<(), StoreError> {
        self.late += self.records.late();
        self.gone += self.records.gone();
        self.round += 1;
        let part = part(&self.store, &self.plan, &self.lengths, self.resumed.as_deref(), self.round);
        self.records = Ordered::open(&self.store, &part)?;
        Ok(())
    }

    /// How many were given out after one that arrived later.
    pub(crate) fn late(&self) -> u64 {
        self.late + self.records.late()
    }

    /// How many positions were removed from the log before they were read.
    pub(crate) fn gone(&self) -> u64 {
        self.gone + self.records.gone()
    }

    /// Works out where each partition has to be read again, if this run ends now.
    pub(crate) fn settle(&mut self, progress: &Progress) {
        if self.settled.is_some_and(|at| at.elapsed() < SETTLE_EVERY) {
            return;
        }
        self.settled = Some(Instant::now());
        for (partition, _) in self.lengths.firsts() {
            let Some(prefix) = progress.prefix(partition) else { return };
            // What is open of a round before this one keeps its own beginning until it has ended.
            if self.lengths.round(partition, prefix) == self.round {
                let offset = self.lengths.offset(partition, prefix, self.round) - 1;
                let offset = self.records.restart(Position { partition, offset });
                progress.set_restart(partition, self.lengths.at(Position { partition, offset }, self.round));
            }
        }
    }

    /// Gives out what was read and has not had its turn.
    pub(crate) fn drain(&mut self, each: &mut dyn FnMut(Candidate)) {
        self.records.drain(each);
    }
}

/// What of a round is to be read.
fn part(store: &Store, plan: &Plan, lengths: &Lengths, resumed: Option<&Saved>, round: u32) -> Plan {
    let Some(saved) = resumed else { return plan.clone() };
    let partitions = plan.partitions.iter().filter_map(|whole| {
        let (restart, _) = saved.unsettled(whole.partition)?;
        let (from, to) = lengths.within(whole.partition, round, restart, i64::MAX)?;
        Some(PartitionPlan { partition: whole.partition, from, to })
    });
    let partitions = partitions.collect();
    let window = match (store, saved.low()) {
        // In order of arrival from the beginning: everything before the first that is open has been dealt with.
        (Store::Sqlite(_), Some((low, arrival))) if low == round => {
            Window::new(arrival, plan.window.to()).unwrap_or(plan.window)
        }
        _ => plan.window,
    };
    Plan { window, partitions }
}
