//! The store's thread: redacts, encodes and appends what the workers hand over.
//!
//! It is the only one that may block on the store. When it falls behind, the queue fills and records are dropped and
//! counted on the other side; nothing else happens there.

mod receipt;

pub(crate) use receipt::StoreReceipt;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use umbra_common::codec;
use umbra_common::courtesy;
use umbra_common::ledger::DropReason;
use umbra_common::store::{Append, Record};

use crate::metrics::Deliveries;
use crate::queue::{self, Batch};
use crate::redact::{Redactions, Redactor};
use crate::rules::Rules;
use crate::tap::Packed;

/// Even a drain that has used its time up gives the store this long to confirm what it has.
const LEAST_CLOSE: Duration = Duration::from_millis(100);

/// What the store's thread works with.
pub(crate) struct StoreThread {
    pub(crate) batches: Receiver<Batch>,
    pub(crate) store: Box<dyn Append<StoreReceipt>>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) redactions: Arc<Redactions>,
    pub(crate) deliveries: Arc<Deliveries>,
    pub(crate) upstream: Arc<str>,
    pub(crate) recorder: Arc<str>,
    /// Set by a drain, before the last worker lets go of the queue.
    pub(crate) deadline: Arc<OnceLock<Instant>>,
}

impl StoreThread {
    /// Works until no worker is left, then closes the store within the drain's deadline.
    pub(crate) fn run(mut self) {
        courtesy::give_way();
        let mut tended = Instant::now();
        let mut records = Vec::new();
        loop {
            match queue::next(&self.batches, self.store.tend_every().saturating_sub(tended.elapsed())) {
                Ok(batch) => self.append(batch, &mut records),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if tended.elapsed() >= self.store.tend_every() {
                self.store.tend();
                tended = Instant::now();
            }
        }
        let rest = self.deadline.get().map_or(LEAST_CLOSE, |at| at.saturating_duration_since(Instant::now()));
        self.store.close(rest.max(LEAST_CLOSE));
    }

    fn append(&mut self, batch: Batch, records: &mut Vec<Record<StoreReceipt>>) {
        if self.deadline.get().is_some_and(|at| Instant::now() >= *at) {
            return batch.drop_for(DropReason::Drain);
        }
        let (live, now) = (self.rules.live(), Instant::now());
        let together = self.store.together();
        let (packed, bytes) = batch.open();
        for packed in packed {
            records.push(self.record(packed, &bytes, live.redactor(), now));
            if records.len() >= together {
                self.store.append(records);
            }
        }
        if !records.is_empty() {
            self.store.append(records);
        }
    }

    fn record(&self, packed: Packed, bytes: &[u8], redactor: &Redactor, now: Instant) -> Record<StoreReceipt> {
        let (mut exchange, entry, permit) = packed.unpack(bytes, &self.upstream, &self.recorder);
        redactor.redact(&mut exchange, &self.redactions);
        Record {
            key: exchange.session.to_vec(),
            id: exchange.id,
            arrival: exchange.arrival,
            value: codec::encode(&exchange),
            receipt: StoreReceipt::new(entry, permit, Arc::clone(&self.deliveries), now),
        }
    }
}

#[cfg(test)]
mod tests;
