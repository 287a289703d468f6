//! What the store tells of the records that go to it through a spool.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::segment::Kept;
use crate::store::{Loss, Receipt};

/// The receipt of a record on its way to the store.
pub(super) enum Via<R> {
    /// It came straight from the recorder, and goes to the spool where the store does not take it.
    Straight {
        /// Its bytes, until the store has them.
        kept: Kept,
        /// The recorder's.
        receipt: R,
        /// Where it goes when it is given back.
        back: Arc<Returned<R>>,
    },
    /// It came out of the spool, and is this one of its chunk.
    Spooled(usize, Arc<Ends>),
}

/// Records that the store has given back.
///
/// **Invariant**: bounded by the recorder's budget, since each holds its receipt.
pub(super) struct Returned<R> {
    records: Mutex<Vec<(Kept, R, Loss)>>,
    /// Bytes of records that came straight and are not confirmed.
    unconfirmed: AtomicU64,
}

impl<R> Returned<R> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { records: Mutex::new(Vec::new()), unconfirmed: AtomicU64::new(0) })
    }

    pub(super) fn begin(&self, bytes: u64) {
        self.unconfirmed.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn unconfirmed(&self) -> u64 {
        self.unconfirmed.load(Ordering::Relaxed)
    }

    pub(super) fn take(&self) -> Vec<(Kept, R, Loss)> {
        std::mem::take(&mut *self.records.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, kept: Kept, receipt: R, why: Loss) {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).push((kept, receipt, why));
    }
}

/// The ends of a chunk's records.
#[derive(Debug)]
pub(super) struct Ends {
    left: AtomicUsize,
    lost: Mutex<Vec<(usize, Loss)>>,
}

impl Ends {
    pub(super) fn of(count: usize) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(count), lost: Mutex::new(Vec::new()) })
    }

    /// The records that the store did not take, once all have ended.
    pub(super) fn told(&self) -> Option<Vec<(usize, Loss)>> {
        (self.left.load(Ordering::Acquire) == 0)
            .then(|| std::mem::take(&mut *self.lost.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn end(&self, lost: Option<(usize, Loss)>) {
        if let Some(lost) = lost {
            self.lost.lock().unwrap_or_else(PoisonError::into_inner).push(lost);
        }
        self.left.fetch_sub(1, Ordering::Release);
    }
}

impl<R: Receipt> Receipt for Via<R> {
    fn stored(self) {
        match self {
            Self::Straight { kept, receipt, back } => {
                back.unconfirmed.fetch_sub(kept.frame_len(), Ordering::Relaxed);
                receipt.stored();
            }
            Self::Spooled(_, ends) => ends.end(None),
        }
    }

    fn lost(self, why: Loss) {
        match self {
            Self::Straight { kept, receipt, back } => {
                back.unconfirmed.fetch_sub(kept.frame_len(), Ordering::Relaxed);
                match why {
                    // No spool makes it smaller.
                    Loss::TooLarge => receipt.lost(why),
                    _ => back.push(kept, receipt, why),
                }
            }
            Self::Spooled(at, ends) => ends.end(Some((at, why))),
        }
    }
}
