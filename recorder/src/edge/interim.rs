//! Interim responses (1xx) on their way to an HTTP/1.1 client.
//!
//! The library's server has no way to send them, so they are written into the stream between its own writes: at a moment at
//! which it has nothing left to write of an earlier response and nothing yet of this one. That moment is known from
//! outside: the library flushes when its buffer is empty, and only then.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;

/// Interim heads that wait for a slow client are not kept beyond this; they are hints, which anyone may drop.
const MOST_WAITING: usize = 16 << 10;

/// The interim heads of one connection that are still to be written.
///
/// Everything happens on one thread; the library's callback just has to be `Sync`.
#[derive(Debug, Default)]
pub(super) struct Interim {
    /// Which request may have interim heads; another number for each, and one for the time between two.
    turn: AtomicU32,
    /// The library has nothing to write: a flush of it came after the request, and no write since.
    clean: AtomicBool,
    any: AtomicBool,
    /// A response waits for that.
    awaited: AtomicBool,
    waiting: Mutex<Vec<u8>>,
    /// The connection's task.
    writer: OnceLock<Waker>,
}

impl Interim {
    /// A request is about to be answered. Gives its turn.
    pub(super) fn begin(&self) -> u32 {
        self.clean.store(false, Ordering::Relaxed);
        self.next_turn()
    }

    // One thread writes: no need for an addition that no other thread can interrupt.
    fn next_turn(&self) -> u32 {
        let turn = self.turn.load(Ordering::Relaxed).wrapping_add(1);
        self.turn.store(turn, Ordering::Relaxed);
        turn
    }

    /// Says whose turn it is when interim heads wait.
    pub(super) fn written_by(&self, task: &Waker) {
        self.writer.get_or_init(|| task.clone());
    }

    /// Adds an interim head and wakes the connection's task, unless its request has been answered or too much waits already.
    pub(super) fn push(&self, turn: u32, head: &[u8]) -> bool {
        let mut waiting = self.waiting();
        if self.turn.load(Ordering::Relaxed) != turn || waiting.len() + head.len() > MOST_WAITING {
            return false;
        }
        waiting.extend_from_slice(head);
        self.any.store(true, Ordering::Relaxed);
        if let Some(task) = self.writer.get() {
            task.wake_by_ref();
        }
        true
    }

    /// The final response is there, and is what the library writes next. What could not be put before it is dropped.
    pub(super) fn end(&self) {
        self.next_turn();
        if self.any() && !self.clean.load(Ordering::Relaxed) {
            self.waiting().clear();
            self.any.store(false, Ordering::Relaxed);
        }
    }

    /// The library has nothing to write: whether something waits for that.
    pub(super) fn flushes(&self) -> bool {
        self.clean.store(true, Ordering::Relaxed);
        self.any()
    }

    /// Whether the library has nothing to write. Where it has, whoever flushes is told by [`was_awaited`](Self::was_awaited).
    pub(super) fn is_clean(&self) -> bool {
        let is_clean = self.clean.load(Ordering::Relaxed);
        self.awaited.store(!is_clean, Ordering::Relaxed);
        is_clean
    }

    /// Whether somebody waits for the library to have nothing to write, as it now has.
    pub(super) fn was_awaited(&self) -> bool {
        let was_awaited = self.awaited.load(Ordering::Relaxed);
        if was_awaited {
            self.awaited.store(false, Ordering::Relaxed);
        }
        was_awaited
    }

    /// The library is about to write: whether something comes before that.
    pub(super) fn writes(&self) -> bool {
        if self.any() && self.clean.load(Ordering::Relaxed) {
            return true;
        }
        self.clean.store(false, Ordering::Relaxed);
        false
    }

    /// What is to be written, from which [`written`](Self::written) takes what has been.
    pub(super) fn waiting(&self) -> MutexGuard<'_, Vec<u8>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many bytes of what waited have been written; whether more are left.
    pub(super) fn written(&self, waiting: &mut Vec<u8>, bytes: usize) -> bool {
        waiting.drain(..bytes);
        self.any.store(!waiting.is_empty(), Ordering::Relaxed);
        self.any()
    }

    fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_into_another_response() {
        let interim = Interim::default();
        let first = interim.begin();
        assert!(interim.push(first, b"103"));
        // The library still writes what came before.
        assert!(!interim.writes());
        assert!(interim.flushes());
        assert!(!interim.written(&mut interim.waiting(), 3));
        assert!(!interim.writes());
        // Partly written: what is left stays before the final head.
        interim.flushes();
        assert!(interim.push(first, b"103103"));
        assert!(interim.flushes());
        assert!(interim.written(&mut interim.waiting(), 3));
        interim.end();
        assert!(interim.writes());
        assert!(!interim.written(&mut interim.waiting(), 3));
        assert!(!interim.push(first, b"103"), "after the final response");
    }

    #[test]
    fn what_cannot_come_before_the_final_response_is_dropped() {
        let interim = Interim::default();
        let turn = interim.begin();
        assert!(interim.push(turn, b"103"));
        interim.end();
        assert!(!interim.flushes() && interim.waiting().is_empty());
        let turn = interim.begin();
        assert!(!interim.push(turn, &[0; MOST_WAITING + 1]));
    }
}
