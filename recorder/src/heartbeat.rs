//! Whether the workers still turn: what a watchdog asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// One beat for each worker.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    started: Instant,
    /// Milliseconds from the start to each worker's last beat.
    beats: Box<[AtomicU64]>,
}

impl Heartbeat {
    pub(crate) fn new(workers: usize) -> Self {
        Self { started: Instant::now(), beats: (0..workers).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Worker `n` turns.
    pub(crate) fn beat(&self, n: usize) {
        if let Some(beat) = self.beats.get(n) {
            beat.store(self.now(), Ordering::Relaxed);
        }
    }

    /// The worker that has not turned for `limit`, if there is one.
    pub(crate) fn stuck_for(&self, limit: Duration) -> Option<usize> {
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let now = self.now();
        self.beats.iter().position(|beat| now.saturating_sub(beat.load(Ordering::Relaxed)) > limit)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_that_stands_still_is_named() {
        let mut heart = Heartbeat::new(2);
        heart.started -= Duration::from_secs(10);
        heart.beat(0);
        assert_eq!(heart.stuck_for(Duration::from_secs(5)), Some(1));
        heart.beat(1);
        assert_eq!(heart.stuck_for(Duration::from_secs(5)), None);
    }
}
