//! What workers measure, each for itself: no cache line is shared until somebody asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::histogram::{Histogram, Sum, add};

/// One worker's figures: only its thread adds to them.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    added: Histogram,
    origin: Histogram,
    received: AtomicU64,
    sent: AtomicU64,
    sent_again: AtomicU64,
}

impl Meter {
    /// An exchange's head took so long in all until the response's, of which the origin took a part.
    pub(crate) fn answered(&self, all: Duration, origin: Duration) {
        self.added.observe(all.saturating_sub(origin));
        self.origin.observe(origin);
    }

    /// So many bytes of a request's body came.
    pub(crate) fn received(&self, bytes: usize) {
        add(&self.received, bytes as u64);
    }

    /// So many bytes of a response's body went.
    pub(crate) fn sent(&self, bytes: usize) {
        add(&self.sent, bytes as u64);
    }

    /// A request that the upstream had not looked at went to it once more.
    pub(crate) fn sent_again(&self) {
        add(&self.sent_again, 1);
    }
}

/// The figures of all workers.
#[derive(Debug, Default)]
pub(crate) struct Meters(Mutex<Vec<Arc<Meter>>>);

impl Meters {
    /// One for a worker that starts.
    pub(crate) fn one(&self) -> Arc<Meter> {
        let meter = Arc::new(Meter::default());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&meter));
        meter
    }

    pub(super) fn total(&self) -> Total {
        let mut total = Total::default();
        for meter in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            total.added.add(&meter.added);
            total.origin.add(&meter.origin);
            total.received += meter.received.load(Ordering::Relaxed);
            total.sent += meter.sent.load(Ordering::Relaxed);
            total.sent_again += meter.sent_again.load(Ordering::Relaxed);
        }
        total
    }
}

/// What all workers measured together.
#[derive(Debug, Default)]
pub(super) struct Total {
    pub(super) added: Sum,
    pub(super) origin: Sum,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) sent_again: u64,
}
