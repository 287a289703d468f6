//! Whether an HTTP/2 upstream takes extended CONNECT, which it says in the first frame of a connection (RFC 8441, 3).

use std::cell::{Cell, RefCell};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::time::{sleep, timeout};

/// How long that frame is waited for, where it has to be known: on a connection that was just made, and on one that has
/// been in use.
const NEW: Duration = Duration::from_secs(5);
const USED: Duration = Duration::from_millis(50);

/// The library tells nobody of it, so it is looked for this often.
const LOOK: Duration = Duration::from_millis(5);

/// What is known of one worker's upstream.
#[derive(Debug, Default)]
pub(super) struct TakesConnect {
    said: Cell<bool>,
    /// The task of the connection that was polled last.
    connection: RefCell<Option<Waker>>,
}

impl TakesConnect {
    /// To be called by a connection's task whenever it has polled it.
    pub(super) fn learn(&self, cx: &Context<'_>, says: impl FnOnce() -> bool) {
        if self.said.get() {
            return;
        }
        if says() {
            self.said.set(true);
            self.connection.take();
            return;
        }
        let mut connection = self.connection.borrow_mut();
        if connection.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            *connection = Some(cx.waker().clone());
        }
    }

    /// Whether the upstream of an earlier connection, or of the present one, has said so.
    pub(super) fn is_known(&self) -> bool {
        self.said.get()
    }

    /// Whether it says so, as soon as it can be known.
    pub(super) async fn is_said(&self, is_new: bool) -> bool {
        let look = async {
            while !self.said.get() {
                if let Some(connection) = self.connection.borrow().as_ref() {
                    connection.wake_by_ref();
                }
                sleep(LOOK).await;
            }
        };
        timeout(if is_new { NEW } else { USED }, look).await.is_ok()
    }
}
