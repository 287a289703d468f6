//! How connections learn that the worker is about to stop.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

use slab::Slab;
use tokio::sync::Notify;

/// The open connections of one worker, and whether they are to close.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    /// Each response says that it is the last.
    last: Cell<bool>,
    /// Those that wait for another request are closed.
    now: Cell<bool>,
    open: RefCell<Slab<Option<Waker>>>,
    emptied: Notify,
}

impl Closing {
    /// From now on each response is its connection's last. Unlike closing at once, that loses no request which is just
    /// under way to an idle connection.
    pub(crate) fn announce(&self) {
        self.last.set(true);
    }

    /// Whether a response must say that it is its connection's last.
    pub(crate) fn is_announced(&self) -> bool {
        self.last.get()
    }

    /// Closes every connection when its exchanges are over; idle ones at once.
    pub(crate) fn begin(&self) {
        self.now.set(true);
        for (_, waker) in self.open.borrow().iter() {
            if let Some(waker) = waker {
                waker.wake_by_ref();
            }
        }
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.open.borrow().len()
    }

    /// Waits until none is.
    pub(crate) async fn emptied(&self) {
        while self.open() > 0 {
            self.emptied.notified().await;
        }
    }

    /// A connection's place, held for as long as it is open.
    pub(super) fn seat(self: &Rc<Self>) -> Seat {
        Seat { closing: Rc::clone(self), key: self.open.borrow_mut().insert(None) }
    }
}

/// One open connection.
#[derive(Debug)]
pub(super) struct Seat {
    closing: Rc<Closing>,
    key: usize,
}

impl Seat {
    /// Whether the connection is to close; wakes its task when that changes.
    pub(super) fn is_to_close(&self, cx: &Context<'_>) -> bool {
        if self.closing.now.get() {
            return true;
        }
        if let Some(waker) = self.closing.open.borrow_mut().get_mut(self.key)
            && waker.as_ref().is_none_or(|w| !w.will_wake(cx.waker()))
        {
            *waker = Some(cx.waker().clone());
        }
        false
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.closing.open.borrow_mut().remove(self.key);
        if self.closing.open() == 0 {
            self.closing.emptied.notify_one();
        }
    }
}
