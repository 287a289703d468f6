//! Receipts that can be counted: how many were handed out, and what became of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use umbra_common::exchange::ExchangeId;
use umbra_common::store::{Loss, Receipt};

/// The counts of one test.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(Arc<Mutex<Counts>>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) handed_out: usize,
    pub(super) stored: usize,
    /// Which those are.
    pub(super) stored_ids: BTreeSet<ExchangeId>,
    pub(super) lost: BTreeMap<&'static str, usize>,
    /// Dropped without a word.
    pub(super) forgotten: usize,
}

impl Counts {
    pub(super) fn lost(&self) -> usize {
        self.lost.values().sum()
    }

    /// Every receipt was consumed: the ledger's sum.
    pub(super) fn is_settled(&self) -> bool {
        self.handed_out == self.stored + self.lost() && self.forgotten == 0
    }
}

/// The receipt of one record.
#[derive(Debug)]
pub(super) struct Ticket(Option<Tally>, ExchangeId);

impl Tally {
    pub(super) fn ticket(&self, id: ExchangeId) -> Ticket {
        self.change(|counts| counts.handed_out += 1);
        Ticket(Some(self.clone()), id)
    }

    pub(super) fn now(&self) -> Counts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Receipt for Ticket {
    fn stored(mut self) {
        if let Some(tally) = self.0.take() {
            tally.change(|counts| {
                counts.stored += 1;
                counts.stored_ids.insert(self.1);
            });
        }
    }

    fn lost(mut self, why: Loss) {
        let name = match why {
            Loss::Full => "full",
            Loss::Timeout => "timeout",
            Loss::TooLarge => "too large",
            Loss::Rejected => "rejected",
            Loss::Closed => "closed",
            Loss::SpoolFull => "spool full",
        };
        if let Some(tally) = self.0.take() {
            tally.change(|counts| *counts.lost.entry(name).or_default() += 1);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(tally) = self.0.take() {
            tally.change(|counts| counts.forgotten += 1);
        }
    }
}
