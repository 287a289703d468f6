//! The queue between the workers and the store's thread.
//!
//! Waking a sleeping thread costs more than everything else that recording does, so a worker hands its records over
//! together: every [`HAND_OVER`], or earlier when many have come. What the bounded channel does not take is dropped and
//! counted; the bytes of what it holds are under the budget.

mod batch;
mod feed;

pub(crate) use batch::Batch;
pub(crate) use feed::{Feed, next};

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::Notify;
use umbra_common::ledger::DropReason;

use crate::tap::Draft;

/// How long a record waits for others. The shorter, the oftener the store's thread is woken and finds a cold cache; the longer, the
/// longer is the work that it then has at once. No worker waits for that: the thread gives way ([`umbra_common::courtesy`]).
const HAND_OVER: Duration = Duration::from_millis(20);
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
    usual: Cell<(usize, usize)>,
    first: Notify,
    to: Feed,
}

impl Outbox {
    pub(crate) fn new(to: Feed) -> Rc<Self> {
        Rc::new(Self { batch: RefCell::default(), usual: Cell::default(), first: Notify::new(), to })
    }

    /// Adds a finished record.
    pub(crate) fn push(&self, draft: Box<Draft>) {
        let mut batch = self.batch.borrow_mut();
        if batch.is_empty() {
            batch.like(self.usual.get());
            self.first.notify_one();
        }
        batch.add(draft);
        let is_full = batch.is_full();
        drop(batch);
        if is_full {
            self.hand_over();
        }
    }

    /// Hands over what is there. Never waits.
    pub(crate) fn hand_over(&self) {
        let mut batch = std::mem::take(&mut *self.batch.borrow_mut());
        if batch.is_empty() {
            return;
        }
        batch.close();
        self.usual.set(batch.size());
        if let Err(batch) = self.to.give(batch) {
            batch.drop_for(DropReason::QueueFull);
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
