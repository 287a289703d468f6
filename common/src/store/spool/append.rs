//! The store with a spool in front of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::SpoolConfig;
use super::files::Files;
use super::receipt::{Returned, Via};
use super::segment::Kept;
use crate::store::{Append, Loss, Receipt, Record, StoreHealth, StoreState, TEND_EVERY};

/// While there is something to drain, it is looked after this often.
const DRAIN_EVERY: Duration = Duration::from_millis(20);
/// A store that is down has this long to confirm what it has: the spool takes the rest back.
const SHORT: Duration = Duration::from_millis(100);

/// Appends to the store while it takes records, else to the files.
pub(super) struct Spooled<R> {
    store: Box<dyn Append<Via<R>>>,
    files: Files,
    health: Arc<StoreHealth>,
    mark: u64,
    returned: Arc<Returned<R>>,
    /// When the store was last looked after.
    tended: Instant,
    /// When the files were last made sure of.
    synced: Instant,
}

impl<R: Receipt> Spooled<R> {
    pub(super) fn new(
        store: Box<dyn Append<Via<R>>>,
        files: Files,
        config: &SpoolConfig,
        health: Arc<StoreHealth>,
    ) -> Self {
        let (mark, returned) = (config.mark.bytes(), Returned::new());
        let now = Instant::now();
        Self { store, files, health, mark, returned, tended: now, synced: now }
    }

    /// Whether new records queue up in the files.
    fn is_behind(&self) -> bool {
        !self.files.are_empty() || self.health.get().0 == StoreState::Down || self.returned.unconfirmed() > self.mark
    }

    fn straight(&mut self, records: impl Iterator<Item = (Kept, R)>) {
        let back = &self.returned;
        let record = |(kept, receipt): (Kept, R)| {
            back.begin(kept.frame_len());
            let Kept { key, id, arrival, value } = kept.clone();
            Record { key, id, arrival, value, receipt: Via::Straight { kept, receipt, back: Arc::clone(back) } }
        };
        let mut batch: Vec<_> = records.map(record).collect();
        self.store.append(&mut batch);
    }
}

fn kept<R>(record: Record<R>) -> (Kept, R) {
    let Record { key, id, arrival, value, receipt } = record;
    (Kept { key, id, arrival, value }, receipt)
}

impl<R: Receipt> Append<R> for Spooled<R> {
    fn append(&mut self, batch: &mut Vec<Record<R>>) {
        self.files.take_back(&self.returned);
        let records = batch.drain(..).map(kept);
        if self.is_behind() && self.files.are_usable() {
            let waiting = records.map(|(kept, receipt)| (kept, receipt, Loss::Full)).collect();
            let left = self.files.put(waiting).into_iter();
            let (full, failed): (Vec<_>, Vec<_>) = left.partition(|(.., why)| *why == Loss::SpoolFull);
            full.into_iter().for_each(|(_, receipt, why)| receipt.lost(why));
            self.straight(failed.into_iter().map(|(kept, receipt, _)| (kept, receipt)));
        } else {
            self.straight(records);
        }
        self.files.drain(&mut *self.store);
    }

    fn tend(&mut self) {
        if self.tended.elapsed() >= self.store.tend_every() {
            self.tended = Instant::now();
            self.store.tend();
        }
        if self.synced.elapsed() >= TEND_EVERY {
            self.synced = Instant::now();
            self.files.sync();
        }
        self.files.take_back(&self.returned);
        self.files.drain(&mut *self.store);
    }

    fn tend_every(&self) -> Duration {
        if self.files.are_empty() { self.store.tend_every() } else { DRAIN_EVERY }
    }

    fn close(self: Box<Self>, deadline: Duration) {
        let Self { store, mut files, health, returned, .. } = *self;
        let deadline = match health.get().0 {
            StoreState::Down if files.are_usable() => deadline.min(SHORT),
            _ => deadline,
        };
        store.close(deadline);
        files.settle();
        files.take_back(&returned);
        files.sync();
    }
}
