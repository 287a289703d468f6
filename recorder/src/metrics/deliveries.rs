//! What the store said of records, and how long it took.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use umbra_common::store::Loss;

use super::histogram::{Histogram, Sum};

/// What the store can say of a record; the first is that it has it.
const RESULTS: [&str; 7] = ["confirmed", "full", "timeout", "too_large", "rejected", "closed", "spool_full"];

/// Counted wherever the store says it: on several threads.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    results: [AtomicU64; RESULTS.len()],
    confirmed_after: Histogram,
}

impl Deliveries {
    /// The store has a record, so long after it was given it.
    pub(crate) fn confirmed(&self, after: Duration) {
        self.results[0].fetch_add(1, Ordering::Relaxed);
        self.confirmed_after.observe_shared(after);
    }

    /// The store does not have a record.
    pub(crate) fn failed(&self, why: Loss) {
        let at = match why {
            Loss::Full => 1,
            Loss::Timeout => 2,
            Loss::TooLarge => 3,
            Loss::Rejected => 4,
            Loss::Closed => 5,
            Loss::SpoolFull => 6,
        };
        self.results[at].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn results(&self) -> impl Iterator<Item = (&'static str, u64)> {
        RESULTS.iter().copied().zip(self.results.iter().map(|count| count.load(Ordering::Relaxed)))
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
