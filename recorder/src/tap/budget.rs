//! The bytes that all records under way may hold together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One budget for the whole process: copies under way, the queue, and what the store has not confirmed.
///
/// **Invariant**: `used` is the sum of all permits, and never stays over `limit`.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    used: AtomicU64,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicU64::new(0) })
    }

    /// The bytes that are taken now.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// A permit for so many bytes, or nothing where they do not fit. Never waits.
    pub(crate) fn take(self: &Arc<Self>, bytes: u64) -> Option<Permit> {
        self.charge(bytes).then(|| Permit { budget: Arc::clone(self), bytes })
    }

    fn charge(&self, bytes: u64) -> bool {
        // Two that come at once may both be turned away where one would have fitted; neither ever gets too much.
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= self.limit;
        if !fits {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }
}

/// Bytes taken from the budget, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Permit {
    /// Takes more; `false` leaves it as it was.
    #[must_use]
    pub(crate) fn grow(&mut self, by: u64) -> bool {
        let fits = self.budget.charge(by);
        if fits {
            self.bytes += by;
        }
        fits
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let budget = Budget::new(100);
        let mut first = budget.take(60).unwrap();
        assert!(budget.take(41).is_none());
        assert!(!first.grow(41));
        assert!(first.grow(40));
        assert_eq!(budget.used(), 100);
        drop(first);
        assert_eq!(budget.used(), 0);
        assert!(budget.take(u64::MAX).is_none());
        assert_eq!(budget.used(), 0);
    }

    proptest! {
        #[test]
        fn permits_never_hold_more_than_the_limit(limit in 0u64..1000, wants in proptest::collection::vec(0u64..400, 0..30)) {
            let budget = Budget::new(limit);
            let mut held = Vec::new();
            for (i, want) in wants.into_iter().enumerate() {
                held.extend(budget.take(want));
                prop_assert!(budget.used() <= limit);
                prop_assert_eq!(budget.used(), held.iter().map(|p: &Permit| p.bytes).sum::<u64>());
                if i % 3 == 2 {
                    held.pop();
                }
            }
            drop(held);
            prop_assert_eq!(budget.used(), 0);
        }
    }
}
