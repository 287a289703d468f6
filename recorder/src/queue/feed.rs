//! The two ends of the queue, and how one wakes the other.
//!
//! The channel's own way to wait looks again and again before it sleeps, and lets others go first in between: several turns of
//! the scheduler for each batch, next to a live path that has less than two processors.

use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, TrySendError};

use super::Batch;

/// A worker's end.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    /// There until it is dropped.
    to: Option<Sender<Batch>>,
    /// Who takes what comes.
    taker: Thread,
}

impl Feed {
    /// Into the channel from which `taker` gets [`next`].
    pub(crate) fn new(to: Sender<Batch>, taker: Thread) -> Self {
        Self { to: Some(to), taker }
    }

    /// Gives a batch; back where there is no room for it. Never waits.
    pub(super) fn give(&self, batch: Batch) -> Result<(), Batch> {
        let Some(to) = &self.to else { return Err(batch) };
        let given = to.try_send(batch).map_err(|(TrySendError::Full(batch) | TrySendError::Disconnected(batch))| batch);
        // It does something only where that thread sleeps.
        self.taker.unpark();
        given
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        // The last one is the end of the queue, which the taker is to see.
        self.to = None;
        self.taker.unpark();
    }
}

/// The next batch of the queue, for which the calling thread sleeps no longer than `wait`. It must be the taker of each [`Feed`].
pub(crate) fn next(from: &Receiver<Batch>, wait: Duration) -> Result<Batch, RecvTimeoutError> {
    let mut until = None;
    loop {
        match from.try_recv() {
            Ok(batch) => return Ok(batch),
            Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
            Err(TryRecvError::Empty) => {}
        }
        let now = Instant::now();
        let left = until.get_or_insert(now + wait).saturating_duration_since(now);
        if left.is_zero() {
            return Err(RecvTimeoutError::Timeout);
        }
        // What comes from now on wakes it, or keeps it from going to sleep.
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::channel;

    /// More than any of these tests takes.
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_batch_and_the_end_wake_who_sleeps() {
        let (to, from) = channel();
        let taker = thread::spawn(move || {
            let began = Instant::now();
            let mut taken = 0;
            loop {
                match next(&from, LONG) {
                    Ok(_) => taken += 1,
                    Err(why) => return (taken, why, began.elapsed()),
                }
            }
        });
        let feed = Feed::new(to, taker.thread().clone());
        let other = feed.clone();
        for _ in 0..1000 {
            feed.give(Batch::default()).unwrap();
            thread::yield_now();
        }
        drop(feed);
        other.give(Batch::default()).unwrap();
        drop(other);
        let (taken, why, time) = taker.join().unwrap();
        assert_eq!((taken, why), (1001, RecvTimeoutError::Disconnected));
        assert!(time < LONG, "woken, not timed out");
    }

    #[test]
    fn who_waits_for_nothing_is_told_and_what_finds_no_room_comes_back() {
        let (to, from) = channel();
        let feed = Feed::new(to, thread::current());
        assert_eq!(next(&from, Duration::from_millis(1)).unwrap_err(), RecvTimeoutError::Timeout);
        while feed.give(Batch::default()).is_ok() {}
        assert!(from.is_full());
        assert!(next(&from, Duration::ZERO).is_ok());
        drop(from);
        assert!(feed.give(Batch::default()).is_err());
    }
}
