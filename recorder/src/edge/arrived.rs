//! One HTTP/1 request as the wire guard let it through, and what can be done to its connection while it is answered.

use std::cell::Cell;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use http::header::HeaderMap;
use http::{StatusCode, Version};

use super::guarded::Watch;
use super::interim::Interim;
use super::wire::Head;

/// What the guard knows of the request that is to be answered.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// Its head.
    pub(crate) head: Head,
    /// It asks for another protocol: nothing behind it passes before one of [`go_on`](Self::go_on),
    /// [`step_aside`](Self::step_aside) and [`stay`](Self::stay) says what that is. The first to say so is heard.
    pub(super) undecided: Cell<bool>,
    pub(super) turn: u32,
    pub(super) watch: Watch,
}

impl Arrived {
    /// Whether it asks for another protocol, and nothing has been decided about that.
    pub(crate) fn asks_upgrade(&self) -> bool {
        self.undecided.get()
    }

    /// Nobody heeds the request for another protocol: what follows is the next request.
    pub(crate) fn go_on(&self) {
        if self.undecided.take() {
            self.watch.go_on();
        }
    }

    /// The other protocol is spoken from here on.
    pub(crate) fn step_aside(&self) {
        if self.undecided.take() {
            self.watch.step_aside();
        }
    }

    /// The origin was asked and did not change the protocol.
    pub(crate) fn stay(&self) {
        if self.undecided.take() {
            self.watch.stay();
        }
    }

    /// A way to send interim responses to this request.
    pub(crate) fn hints(&self) -> Hints {
        Hints { interim: Arc::clone(self.watch.interim()), turn: self.turn }
    }

    /// The origin's response began with this head: names are to be in its letters.
    pub(crate) fn answer_like(&self, head: Vec<u8>) {
        self.watch.answer_like(head);
    }

    /// Waits until the response is what the library writes next, where it has letters of its own.
    pub(crate) async fn until_next(&self) {
        if self.watch.has_letters() {
            poll_fn(|_| if self.watch.interim().is_clean() { Poll::Ready(()) } else { Poll::Pending }).await;
        }
    }

    /// The final response is there.
    pub(crate) fn is_answered(&self) {
        self.watch.interim().end();
    }
}

/// Sends interim responses to one request.
#[derive(Debug)]
pub(crate) struct Hints {
    interim: Arc<Interim>,
    turn: u32,
}

impl Hints {
    /// Sends one, unless the request has been answered; whether it was taken.
    pub(crate) fn send(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let mut head = Vec::with_capacity(256);
        head.extend_from_slice(b"HTTP/1.1 ");
        head.extend_from_slice(status.as_str().as_bytes());
        head.push(b' ');
        head.extend_from_slice(status.canonical_reason().unwrap_or("Interim").as_bytes());
        head.extend_from_slice(b"\r\n");
        for (name, value) in headers {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        self.interim.push(self.turn, &head)
    }
}

/// Whether a client of this version may get interim responses.
pub(crate) fn takes_interim(version: Version) -> bool {
    version == Version::HTTP_11
}
