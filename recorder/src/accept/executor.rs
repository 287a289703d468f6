//! Where hyper's HTTP/2 tasks run: on the worker that has the connection.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::Parting;
use crate::metrics::Counters;
use crate::pulse::{Pulse, Stopped};

/// Spawns on the current thread's runtime, so that nothing needs a lock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalExecutor;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// Spawns the streams of one connection, and ends those that have come to a stop.
///
/// The library asks the service for a response and hands what is to drive it, and to send its body, to the executor at
/// once. So the pulse that was announced last is that of the stream which is spawned next.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    announced: Rc<RefCell<Option<Rc<Pulse>>>>,
    counters: std::sync::Arc<Counters>,
}

impl Streams {
    pub(super) fn new(counters: std::sync::Arc<Counters>) -> Self {
        Self { announced: Rc::default(), counters }
    }

    /// The pulse of the stream that is spawned next.
    pub(super) fn announce(&self, pulse: Rc<Pulse>) {
        self.announced.replace(Some(pulse));
    }
}

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, future: F) {
        let Some(pulse) = self.announced.take() else {
            tokio::task::spawn_local(future);
            return;
        };
        let counters = std::sync::Arc::clone(&self.counters);
        tokio::task::spawn_local(Stream { future, pulse, counters });
    }
}

pin_project! {
    /// A stream. Written out, because an async block would hold its future twice, and it is large.
    struct Stream<F> {
        #[pin]
        future: F,
        pulse: Rc<Pulse>,
        counters: std::sync::Arc<Counters>,
    }
}

impl<F: Future> Future for Stream<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.future.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        // Dropped before its end, a stream is reset.
        match this.pulse.stopped(cx) {
            None => return Poll::Pending,
            Some(Stopped::Reader) => this.counters.parted(Parting::SlowReader),
            Some(Stopped::Both | Stopped::Body) => this.counters.parted(Parting::Silent),
        }
        Poll::Ready(())
    }
}
