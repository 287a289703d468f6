//! `Expect: 100-continue`, decided by the origin.
//!
//! hyper tells a client to go on as soon as somebody polls the body. So the body is not polled before the origin itself has
//! said so; if it answers at once instead, the body is never asked for.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::task::AtomicWaker;

/// An origin that knows no `Expect` waits for the body in silence. After this time the client is told to go on, as
/// RFC 9110, 10.1.1 has clients do themselves.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Holds a body back until the origin wants it.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    // hyper's callback is Send + Sync, although everything here stays on one thread.
    open: Arc<Opening>,
    refused: Rc<Refused>,
}

/// The open side of a gate, for hyper's callback.
#[derive(Debug, Default)]
pub(super) struct Opening {
    open: AtomicBool,
    waiting: AtomicWaker,
}

#[derive(Debug, Default)]
struct Refused {
    refused: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self { open: Arc::default(), refused: Rc::default() }
    }

    /// How the origin's `100 Continue` opens the gate.
    pub(super) fn opening(&self) -> Arc<Opening> {
        Arc::clone(&self.open)
    }

    /// Lets the body through.
    pub(super) fn open(&self) {
        self.open.open();
    }

    /// The exchange is over and the body was never wanted.
    pub(super) fn refuse(&self) {
        self.refused.refused.set(true);
        let waiting = self.refused.waiting.take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    /// Ready once the body may be polled (`true`) or never will be (`false`).
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.open.is_open() {
            return Poll::Ready(true);
        }
        if self.refused.refused.get() {
            return Poll::Ready(false);
        }
        self.refused.waiting.replace(Some(cx.waker().clone()));
        self.open.waiting.register(cx.waker());
        // It may have been opened since it was looked at.
        if self.open.is_open() { Poll::Ready(true) } else { Poll::Pending }
    }
}

impl Opening {
    /// Lets the body through.
    pub(super) fn open(&self) {
        self.open.store(true, Ordering::Release);
        self.waiting.wake();
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }
}
