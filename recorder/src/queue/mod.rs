//! The queue between the workers and the store's thread.
//!
//! Waking a sleeping thread costs more than everything else that recording does, so a worker hands its records over
//! together: every [`HAND_OVER`], or earlier when many have come. What the bounded channel does not take is dropped and
//! counted; the bytes of what it holds are under the budget.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use tokio::sync::Notify;
use umbra_common::ledger::DropReason;

use crate::tap::Draft;

/// What one hand-over carries. A draft goes through several hands: only its address is copied.
pub(crate) type Batch = Vec<Box<Draft>>;

/// How long a record waits for others. The longer, the longer is the work that the store's thread then has at once, and a worker's
/// request may wait for it where processors are short.
const HAND_OVER: Duration = Duration::from_millis(2);
/// So many records do not wait.
const BATCH_RECORDS: usize = 1024;
/// Batches that may wait for the store's thread, over all workers: some seconds of traffic.
const WAITING_BATCHES: usize = 8192;

/// The channel to the store's thread.
pub(crate) fn channel() -> (Sender<Batch>, Receiver<Batch>) {
    bounded(WAITING_BATCHES)
}

/// The records that one worker has finished and not yet handed over.
#[derive(Debug)]
pub(crate) struct Outbox {
    batch: RefCell<Batch>,
    /// How large the last batch was: the next will be like it.
    usual: Cell<usize>,
    first: Notify,
    to: Sender<Batch>,
}

impl Outbox {
    pub(crate) fn new(to: Sender<Batch>) -> Rc<Self> {
        Rc::new(Self { batch: RefCell::new(Vec::new()), usual: Cell::new(0), first: Notify::new(), to })
    }

    /// Adds a finished record.
    pub(crate) fn push(&self, draft: Box<Draft>) {
        let mut batch = self.batch.borrow_mut();
        if batch.is_empty() {
            batch.reserve(self.usual.get());
            self.first.notify_one();
        }
        batch.push(draft);
        let full = batch.len() >= BATCH_RECORDS;
        drop(batch);
        if full {
            self.hand_over();
        }
    }

    /// Hands over what is there. Never waits.
    pub(crate) fn hand_over(&self) {
        let batch = std::mem::take(&mut *self.batch.borrow_mut());
        if batch.is_empty() {
            return;
        }
        self.usual.set(batch.len());
        if let Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) = self.to.try_send(batch) {
            batch.into_iter().for_each(|draft| draft.drop_for(DropReason::QueueFull));
        }
    }

    /// Hands over for as long as the worker runs; sleeps while there is nothing.
    pub(crate) async fn keep_handing_over(self: Rc<Self>) {
        loop {
            self.first.notified().await;
            tokio::time::sleep(HAND_OVER).await;
            self.hand_over();
        }
    }
}
