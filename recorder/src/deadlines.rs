//! Time limits for what happens tens of thousands of times a second and almost never takes too long.
//!
//! A timer for each costs more than all the rest of a limit. Here a limit is an entry in a list that the worker looks over
//! a few times a second: late by at most two looks, never early.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use slab::Slab;

/// How often the list is looked over.
pub(crate) const LOOK: Duration = Duration::from_millis(250);

/// The time limits of one worker, and its clock.
#[derive(Debug)]
pub(crate) struct Deadlines {
    now: Cell<Instant>,
    limits: RefCell<Slab<Limit>>,
}

#[derive(Debug, Default)]
struct Limit {
    due: Option<Instant>,
    waker: Option<Waker>,
}

/// A limit took effect.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Elapsed;

impl Deadlines {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self { now: Cell::new(Instant::now()), limits: RefCell::default() })
    }

    /// The time of the last look.
    pub(crate) fn now(&self) -> Instant {
        self.now.get()
    }

    /// Wakes everything whose limit has passed. To be called every [`LOOK`].
    pub(crate) fn look(&self) {
        let now = Instant::now();
        self.now.set(now);
        for (_, limit) in self.limits.borrow_mut().iter_mut() {
            if limit.due.is_some_and(|due| due <= now)
                && let Some(waker) = limit.waker.take()
            {
                waker.wake();
            }
        }
    }

    /// Lets time pass.
    #[cfg(test)]
    pub(crate) fn pass(&self, time: Duration) {
        self.now.set(self.now.get() + time);
    }

    /// A limit that is not set yet.
    pub(crate) fn limit(self: &Rc<Self>) -> Deadline {
        Deadline { all: Rc::clone(self), key: self.limits.borrow_mut().insert(Limit::default()) }
    }

    /// What `future` brings, unless it takes longer than `limit`.
    pub(crate) async fn within<F: Future>(self: &Rc<Self>, limit: Duration, future: F) -> Result<F::Output, Elapsed> {
        let (deadline, mut future) = (self.limit(), pin!(future));
        deadline.set(Some(limit));
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending if deadline.has_passed(cx) => Poll::Ready(Err(Elapsed)),
            Poll::Pending => Poll::Pending,
        })
        .await
    }
}

/// One limit, in the list for as long as this lives.
#[derive(Debug)]
pub(crate) struct Deadline {
    all: Rc<Deadlines>,
    key: usize,
}

impl Deadline {
    /// Starts the limit anew, or takes it off.
    pub(crate) fn set(&self, limit: Option<Duration>) {
        if let Some(entry) = self.all.limits.borrow_mut().get_mut(self.key) {
            // The clock may be one look behind.
            entry.due = limit.and_then(|limit| self.all.now().checked_add(limit + LOOK));
        }
    }

    /// Whether it has passed; else the task is woken when it has.
    pub(crate) fn has_passed(&self, cx: &Context<'_>) -> bool {
        let mut limits = self.all.limits.borrow_mut();
        let Some(Limit { due: Some(due), waker }) = limits.get_mut(self.key) else { return false };
        if *due <= self.all.now() {
            return true;
        }
        if waker.as_ref().is_none_or(|w| !w.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        false
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.all.limits.borrow_mut().remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    #[tokio::test]
    async fn a_limit_takes_effect_after_its_time_and_not_before() {
        let deadlines = Deadlines::new();
        assert_eq!(deadlines.within(Duration::ZERO, ready(1)).await, Ok(1));
        let started = Instant::now();
        let limit = Duration::from_millis(20);
        let look = async {
            loop {
                deadlines.look();
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            elapsed = deadlines.within(limit, pending::<()>()) => assert_eq!(elapsed, Err(Elapsed)),
            () = look => {}
        }
        assert!(started.elapsed() >= limit);
        assert!(deadlines.limits.borrow().is_empty());
    }

    #[test]
    fn a_limit_that_was_taken_off_never_passes() {
        let deadlines = Deadlines::new();
        let deadline = deadlines.limit();
        let cx = Context::from_waker(Waker::noop());
        deadline.set(Some(Duration::ZERO));
        deadlines.now.set(Instant::now() + LOOK);
        assert!(deadline.has_passed(&cx));
        deadline.set(None);
        assert!(!deadline.has_passed(&cx));
    }
}
