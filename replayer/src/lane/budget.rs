//! A lane's memory: what has been read and not yet answered, in bytes.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// So many bytes may be under way.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: Mutex<usize>,
    freed: Condvar,
}

/// A part of the budget; given back when dropped.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    /// With nothing used.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: Mutex::new(0), freed: Condvar::new() })
    }

    /// Waits for room; nothing where there is none in time. What is larger than the whole budget goes alone.
    pub fn charge(self: &Arc<Self>, bytes: usize, wait: Duration) -> Option<Charge> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |used: &mut usize| *used > 0 && *used + bytes > self.limit;
        let (mut used, _) = self.freed.wait_timeout_while(used, wait, full).unwrap_or_else(PoisonError::into_inner);
        if full(&mut used) {
            return None;
        }
        *used += bytes;
        Some(Charge { budget: Arc::clone(self), bytes })
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        *self.budget.used.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        // One thread at most waits: the lane's feeder.
        self.budget.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_charged_is_given_back() {
        let budget = Budget::new(10);
        let six = budget.charge(6, Duration::ZERO).unwrap();
        assert!(budget.charge(5, Duration::from_millis(1)).is_none());
        let four = budget.charge(4, Duration::ZERO).unwrap();
        drop((six, four));
        let alone = budget.charge(100, Duration::ZERO).unwrap();
        assert!(budget.charge(1, Duration::ZERO).is_none());
        let waiting = std::thread::spawn({
            let budget = budget.clone();
            move || budget.charge(1, Duration::from_secs(60)).is_some()
        });
        drop(alone);
        assert!(waiting.join().unwrap());
    }
}
