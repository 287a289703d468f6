//! How often a file that takes no writes is tried.
//!
//! Each try opens it, reads its write-ahead log and fails at the disk: with every batch, that would cost the live path
//! more than recording does.

use std::time::{Duration, Instant};

/// After the second failure in a row. The first may have been the only one, and nothing waits for it.
const SECOND: Duration = Duration::from_millis(50);
/// In the end.
const LONGEST: Duration = Duration::from_secs(1);

/// When the next try is due.
#[derive(Debug, Default)]
pub(super) struct Retry {
    next: Option<(Instant, Duration)>,
}

impl Retry {
    /// Whether it may be tried now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next.is_none_or(|(at, _)| now >= at)
    }

    /// A try failed: the next waits twice as long as this one did.
    pub(super) fn failed(&mut self, now: Instant) {
        let wait = self.next.map_or(Duration::ZERO, |(_, wait)| (wait * 2).clamp(SECOND, LONGEST));
        self.next = Some((now + wait, wait));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_become_rarer_up_to_one_a_second() {
        let (mut retry, mut now) = (Retry::default(), Instant::now());
        assert!(retry.is_due(now));
        retry.failed(now);
        assert!(retry.is_due(now), "one failure may pass");
        for wait in [50, 100, 200, 400, 800, 1000, 1000].map(Duration::from_millis) {
            retry.failed(now);
            assert!(!retry.is_due(now + wait - Duration::from_millis(1)), "{wait:?}");
            now += wait;
            assert!(retry.is_due(now), "{wait:?}");
        }
    }
}
