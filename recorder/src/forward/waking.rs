//! The turns of an upstream connection's task: the library asks for more of them than have something to do, and asks the
//! socket more often in each.
//!
//! Whoever takes a piece of a body wakes the task that reads the connection, which may then go on reading. With the last piece of
//! a body of known length nothing is left to be read: that would be one look at the whole connection for nothing in each exchange.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http_body::{Body, Frame};

/// Wakes one connection's task. Clones share it; everything is on one thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Waking(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    task: OnceLock<Waker>,
    /// The task is not woken for now, but it is noted that it should have been.
    is_held: AtomicBool,
    was_asked: AtomicBool,
    /// The library has its turn.
    in_turn: AtomicBool,
    /// Since then the socket had nothing to read, and the task is woken when it has.
    is_dry: AtomicBool,
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_held.load(Ordering::Relaxed) {
            self.was_asked.store(true, Ordering::Relaxed);
        } else if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }
}

impl Waking {
    /// What the library is to wake instead of its task, which is `task`.
    pub(super) fn instead_of(&self, task: &Waker) -> Waker {
        self.0.task.get_or_init(|| task.clone());
        Waker::from(Arc::clone(&self.0))
    }

    /// One turn of the library's.
    pub(super) fn turn<T>(&self, turn: impl FnOnce() -> T) -> T {
        self.0.in_turn.store(true, Ordering::Relaxed);
        let result = turn();
        self.0.in_turn.store(false, Ordering::Relaxed);
        self.0.is_dry.store(false, Ordering::Relaxed);
        result
    }

    /// Whether there is no need to ask the socket again in this turn.
    pub(super) fn is_dry(&self) -> bool {
        self.0.is_dry.load(Ordering::Relaxed)
    }

    /// There was nothing to read.
    pub(super) fn dry(&self) {
        self.0.is_dry.store(self.0.in_turn.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// The next piece of a body that comes by the connection.
    pub(super) fn poll_frame<B>(
        &self,
        body: &mut B,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        self.0.is_held.store(true, Ordering::Relaxed);
        let polled = Pin::new(&mut *body).poll_frame(cx);
        self.0.is_held.store(false, Ordering::Relaxed);
        if self.0.was_asked.load(Ordering::Relaxed) {
            self.0.was_asked.store(false, Ordering::Relaxed);
            if !body.is_end_stream() {
                self.0.wake_by_ref();
            }
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// So many pieces, with each of which the reader is woken.
    struct Pieces(usize, Waker);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0 -= 1;
            self.1.wake_by_ref();
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"piece")))))
        }

        fn is_end_stream(&self) -> bool {
            self.0 == 0
        }
    }

    #[test]
    fn each_piece_but_the_last_wakes_the_task_and_so_does_everything_else() {
        let (waking, task) = (Waking::default(), Arc::new(Task::default()));
        let woken = || task.0.load(Ordering::Relaxed);
        let waker = waking.instead_of(&Waker::from(Arc::clone(&task)));
        let mut cx = Context::from_waker(Waker::noop());
        let mut body = Pieces(3, waker.clone());
        for expected in [1, 2, 2] {
            assert!(waking.poll_frame(&mut body, &mut cx).is_ready());
            assert_eq!(woken(), expected);
        }
        waker.wake_by_ref();
        assert_eq!(woken(), 3);
        // Nothing is left over for the next body.
        let mut body = Pieces(2, waker);
        assert!(waking.poll_frame(&mut body, &mut cx).is_ready());
        assert_eq!(woken(), 4);
    }

    #[test]
    fn what_was_dry_is_asked_again_in_the_next_turn() {
        let waking = Waking::default();
        for _ in 0..2 {
            waking.turn(|| {
                assert!(!waking.is_dry());
                waking.dry();
                assert!(waking.is_dry());
            });
            assert!(!waking.is_dry());
        }
        // Behind an upgrade the library has no turns.
        waking.dry();
        assert!(!waking.is_dry());
    }
}
