//! What waits for the store's word on one record.

use umbra_common::ledger::{DropReason, Entry, RecordOutcome};
use umbra_common::store::{Loss, Receipt};

use crate::tap::Permit;

/// The record's entry in the ledger and its part of the budget, both settled by the store.
#[derive(Debug)]
pub(crate) struct StoreReceipt {
    entry: Entry<RecordOutcome>,
    /// Given back with the receipt.
    _permit: Permit,
}

impl StoreReceipt {
    pub(crate) fn new(entry: Entry<RecordOutcome>, permit: Permit) -> Self {
        Self { entry, _permit: permit }
    }
}

impl Receipt for StoreReceipt {
    fn stored(self) {
        self.entry.end(RecordOutcome::Recorded);
    }

    fn lost(self, why: Loss) {
        self.entry.end(RecordOutcome::Dropped(match why {
            Loss::Full => DropReason::StoreFull,
            Loss::Timeout => DropReason::StoreTimeout,
            Loss::TooLarge => DropReason::TooLarge,
            Loss::Rejected => DropReason::StoreRejected,
            Loss::Closed => DropReason::Drain,
            Loss::SpoolFull => DropReason::SpoolFull,
        }));
    }
}
