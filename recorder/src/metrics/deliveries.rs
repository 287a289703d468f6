//! What the store said of records, and how long it took.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use umbra_common::store::Loss;

use super::histogram::{Histogram, Sum};

/// What the store can say of a record that it does not have.
const FAILURES: [&str; 6] = ["full", "timeout", "too_large", "rejected", "closed", "spool_full"];

/// Counted wherever the store says it: on several threads.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    failures: [AtomicU64; FAILURES.len()],
    /// All that were confirmed: each has a time.
    confirmed_after: Histogram,
}

impl Deliveries {
    /// The store has a record, so long after it was given it.
    pub(crate) fn confirmed(&self, after: Duration) {
        self.confirmed_after.observe_shared(after);
    }

    /// The store does not have a record.
    pub(crate) fn failed(&self, why: Loss) {
        let at = match why {
            Loss::Full => 0,
            Loss::Timeout => 1,
            Loss::TooLarge => 2,
            Loss::Rejected => 3,
            Loss::Closed => 4,
            Loss::SpoolFull => 5,
        };
        self.failures[at].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn results(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let failures = self.failures.iter().map(|count| count.load(Ordering::Relaxed));
        [("confirmed", self.seconds().count())].into_iter().chain(FAILURES.iter().copied().zip(failures))
    }

    pub(super) fn seconds(&self) -> Sum {
        Sum::of(&self.confirmed_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confirmations_on_several_threads_are_all_in_the_times() {
        const EACH: u64 = 20_000;
        let deliveries = Deliveries::default();
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| (0..EACH).for_each(|_| deliveries.confirmed(Duration::from_nanos(1))));
            }
        });
        assert_eq!(deliveries.results().next(), Some(("confirmed", 4 * EACH)));
        let once = Histogram::default();
        (0..4 * EACH).for_each(|_| once.observe(Duration::from_nanos(1)));
        assert_eq!(deliveries.seconds(), Sum::of(&once));
    }
}
