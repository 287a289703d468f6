//! How fast a spool is drained.

use std::time::{Duration, Instant};

/// Bytes a second that are drained where nothing new comes: an hour's outage of 1 MiB/s in two minutes.
const LEAST: u64 = 32 << 20;
/// The rate of writing is looked at over this time.
const OVER: Duration = Duration::from_secs(1);

/// Bounds the rate, so that draining takes neither the processor nor the store from new records; but is always twice as
/// fast as the spool grows, so that it ends.
#[derive(Debug)]
pub(super) struct Pace {
    next: Instant,
    rate: u64,
    written: u64,
    since: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { next: now, rate: LEAST, written: 0, since: now }
    }

    /// So many bytes were written.
    pub(super) fn wrote(&mut self, bytes: u64, now: Instant) {
        self.written += bytes;
        let over = now.saturating_duration_since(self.since);
        if over >= OVER {
            self.rate = LEAST.max((2.0 * self.written as f64 / over.as_secs_f64()) as u64);
            (self.written, self.since) = (0, now);
        }
    }

    /// Whether it is time for the next chunk.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// A chunk of so many bytes is on its way.
    pub(super) fn sent(&mut self, bytes: u64, now: Instant) {
        self.next = now + Duration::from_secs_f64(bytes as f64 / self.rate as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_faster_than_the_spool_grows() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert!(pace.is_due(start));
        pace.sent(LEAST / 2, start);
        assert!(!pace.is_due(start + Duration::from_millis(499)) && pace.is_due(start + Duration::from_millis(501)));
        pace.wrote(3 * LEAST, start + OVER);
        pace.sent(6 * LEAST, start + OVER);
        assert!(pace.is_due(start + OVER + Duration::from_millis(1_001)));
    }
}
