//! What waits for the store's word on one record.

use std::sync::Arc;
use std::time::Instant;

use umbra_common::ledger::{DropReason, Entry, RecordOutcome};
use umbra_common::store::{Loss, Receipt};

use crate::metrics::Deliveries;
use crate::tap::Permit;

/// The record's entry in the ledger and its part of the budget, both settled by the store.
#[derive(Debug)]
pub(crate) struct StoreReceipt {
    entry: Entry<RecordOutcome>,
    /// Given back with the receipt.
    _permit: Permit,
    deliveries: Arc<Deliveries>,
    /// When the store was given it.
    given: Instant,
}

impl StoreReceipt {
    pub(crate) fn new(
        entry: Entry<RecordOutcome>,
        permit: Permit,
        deliveries: Arc<Deliveries>,
        given: Instant,
    ) -> Self {
        Self { entry, _permit: permit, deliveries, given }
    }
}

impl Receipt for StoreReceipt {
    fn stored(self) {
        self.deliveries.confirmed(self.given.elapsed());
        self.entry.end(RecordOutcome::Recorded);
    }

    fn lost(self, why: Loss) {
        self.deliveries.failed(why);
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
