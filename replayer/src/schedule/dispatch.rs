//! The dispatcher: waits for each request's turn.
//!
//! It is a task on the sender's own thread, woken by the kernel's timer, and not a thread beside it: a request that is due
//! then costs one wake-up instead of two, and whoever decides knows what is in flight.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Alarm, Look, Pacer, Slot};

/// Something to send, and when.
#[derive(Debug)]
pub struct Scheduled<T> {
    /// When it may leave.
    pub slot: Slot,
    /// What to send.
    pub item: T,
}

/// Asks the pacer, and sleeps as long as it says.
#[derive(Debug)]
pub struct Dispatcher {
    pacer: Mutex<Pacer>,
    alarm: Alarm,
}

/// What became of a request's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is now. The instant is the one it was due at, where there is a schedule.
    Now(Option<Instant>),
    /// It has passed: the request is behind by more than it may be.
    Passed,
}

/// The longest sleep without a look at what an operator has asked for meanwhile.
const SLICE: Duration = Duration::from_millis(50);

impl Dispatcher {
    /// With an alarm of the runtime that it will run on.
    pub fn new(pacer: Pacer, alarm: Alarm) -> Self {
        Self { pacer: Mutex::new(pacer), alarm }
    }

    /// Waits for a request's turn; for one task at a time.
    pub async fn turn(&self, slot: Slot) -> Turn {
        loop {
            let now = Instant::now();
            let look = self.pacer().look(slot, now);
            match look {
                Look::Go(due) => return Turn::Now(due),
                Look::Behind => return Turn::Passed,
                Look::Wait(until) => self.alarm.until(until.min(now + SLICE)).await,
            }
        }
    }

    /// Waits until a request is due, whatever a cap says; for the task that waits for turns.
    pub async fn due(&self, slot: Slot) -> Option<Instant> {
        loop {
            let now = Instant::now();
            let due = self.pacer().due(slot, now);
            match due {
                Ok(due) => return due,
                Err(until) => self.alarm.until(until.min(now + SLICE)).await,
            }
        }
    }

    /// Waits until one that has had its turn may leave once more; for any task.
    pub async fn again(&self) {
        loop {
            let now = Instant::now();
            let look = self.pacer().look(Slot::Free, now);
            let Look::Wait(until) = look else { return };
            tokio::time::sleep_until(until.min(now + SLICE).into()).await;
        }
    }

    /// A request that left at `sent` has ended now.
    pub fn note(&self, sent: Instant, latency: Option<Duration>, error: bool) {
        self.pacer().note(sent, Instant::now(), latency, error);
    }

    /// Never held over a wait, and nobody else runs on this thread: it is free.
    fn pacer(&self) -> MutexGuard<'_, Pacer> {
        self.pacer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
