//! The bytes that all records under way may hold together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One budget for the whole process: copies under way, the queue, and what the store has not confirmed.
///
/// It is shared by two rules, so that whoever sends much cannot keep out those who send little. A quarter is a reserve:
/// only records of at most [`SMALL`] bytes go into it. Of what the others leave of the rest, one record may hold three
/// quarters: the more there are, the smaller each one's part, and for a newcomer something is always left. (Switches
/// share their buffers so: Choudhury and Hahne, "Dynamic queue length thresholds".)
///
/// **Invariant**: `used` is the sum of all permits, and never stays over `limit`.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    used: AtomicU64,
}

/// Why the budget has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// It is used up.
    Full,
    /// One record would hold more than its part.
    Share,
}

/// A record up to this size is small: a head, and the body of most API calls.
pub(crate) const SMALL: u64 = 16 << 10;

/// The part of the limit that is kept for small records.
const RESERVE: u64 = 4;

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

    /// A permit for so many bytes, unless they do not fit. Never waits.
    pub(crate) fn take(self: &Arc<Self>, bytes: u64) -> Result<Permit, NoRoom> {
        self.charge(0, bytes).map(|()| Permit { budget: Arc::clone(self), bytes })
    }

    /// Charges `more` to a record that holds `held` bytes.
    fn charge(&self, held: u64, more: u64) -> Result<(), NoRoom> {
        // Two that come at once may both be turned away where one would have fitted; neither ever gets too much.
        let before = self.used.fetch_add(more, Ordering::Relaxed);
        let wanted = held.saturating_add(more);
        let others = before.saturating_sub(held);
        let verdict = if wanted > self.limit.saturating_sub(others) {
            Err(NoRoom::Full)
        } else if wanted > SMALL && wanted > part_of((self.limit - self.limit / RESERVE).saturating_sub(others)) {
            Err(NoRoom::Share)
        } else {
            Ok(())
        };
        if verdict.is_err() {
            self.used.fetch_sub(more, Ordering::Relaxed);
        }
        verdict
    }
}

/// The most that one record can hold of a budget.
pub(crate) fn largest_record(limit: u64) -> u64 {
    part_of(limit - limit / RESERVE)
}

/// What one record may hold of what the others leave.
fn part_of(left: u64) -> u64 {
    left / 4 * 3
}

/// Bytes taken from the budget, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Permit {
    /// Takes more; an error leaves it as it was.
    pub(crate) fn grow(&mut self, by: u64) -> Result<(), NoRoom> {
        self.budget.charge(self.bytes, by)?;
        self.bytes += by;
        Ok(())
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

    const MIB: u64 = 1 << 20;

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let budget = Budget::new(100);
        let mut first = budget.take(60).unwrap();
        assert_eq!(budget.take(41).unwrap_err(), NoRoom::Full);
        assert_eq!(first.grow(41), Err(NoRoom::Full));
        assert_eq!(first.grow(40), Ok(()));
        assert_eq!(budget.used(), 100);
        drop(first);
        assert_eq!(budget.used(), 0);
        assert_eq!(budget.take(u64::MAX).unwrap_err(), NoRoom::Full);
        assert_eq!(budget.used(), 0);
    }

    /// A record that takes all it can get, in steps.
    fn greedy(budget: &Arc<Budget>) -> Permit {
        let mut permit = budget.take(0).unwrap();
        while permit.grow(SMALL).is_ok() {}
        assert_eq!(permit.grow(SMALL), Err(NoRoom::Share));
        permit
    }

    #[test]
    fn one_record_leaves_room_for_others_and_for_small_ones() {
        let budget = Budget::new(16 * MIB);
        let first = greedy(&budget);
        assert!(first.bytes <= largest_record(16 * MIB) && first.bytes + SMALL > 9 * MIB, "{}", first.bytes);
        let second = greedy(&budget);
        assert!(second.bytes > 2 * MIB, "{}", second.bytes);
        // Nothing large fits any more, and a thousand small ones still do.
        let rest: Vec<_> = std::iter::from_fn(|| budget.take(SMALL + 1).ok()).collect();
        assert!(budget.used() <= 12 * MIB && !rest.is_empty());
        let small: Vec<_> = (0..1000).map_while(|_| budget.take(4 << 10).ok()).collect();
        assert_eq!(small.len(), 1000);
    }

    #[test]
    fn a_thousand_that_grow_slowly_leave_the_reserve_to_small_ones() {
        let budget = Budget::new(64 * MIB);
        let mut slow: Vec<_> = (0..1000).map(|_| budget.take(0).unwrap()).collect();
        loop {
            let grown = slow.iter_mut().filter_map(|permit| permit.grow(1024).ok()).count();
            if grown == 0 {
                break;
            }
        }
        let (least, most) = (slow.iter().map(|p| p.bytes).min().unwrap(), slow.iter().map(|p| p.bytes).max().unwrap());
        assert!(most <= 2 * least, "shared alike: {least} to {most}");
        assert!(budget.used() <= 48 * MIB, "{}", budget.used());
        assert!((0..1000).map(|_| budget.take(SMALL)).all(|p| p.is_ok()));
    }

    proptest! {
        #[test]
        fn permits_never_hold_more_than_the_limit(limit in 0u64..100_000, wants in proptest::collection::vec(0u64..40_000, 0..30)) {
            let budget = Budget::new(limit);
            let mut held: Vec<Permit> = Vec::new();
            for (i, want) in wants.into_iter().enumerate() {
                match held.first_mut() {
                    Some(first) if i % 4 == 3 => _ = first.grow(want),
                    _ => held.extend(budget.take(want)),
                }
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
