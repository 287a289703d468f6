//! How many frames of a sort there may be: so many at once, and so many a second.

use std::time::Instant;

/// Tokens that are used up, earned, and come back with time.
#[derive(Debug)]
pub(super) struct Budget {
    most: u32,
    per_second: u32,
    left: u32,
    since: Instant,
}

impl Budget {
    pub(super) fn new(most: u32, per_second: u32, now: Instant) -> Self {
        Self { most, per_second, left: most, since: now }
    }

    /// Uses one up. `false` where there is none.
    pub(super) fn spend(&mut self, now: Instant) -> bool {
        if self.left == 0 {
            // Looked at when there is none left: the clock is a coarse one, and most connections never come here.
            let seconds = now.saturating_duration_since(self.since).as_secs_f64();
            self.left = ((seconds * f64::from(self.per_second)) as u32).min(self.most);
            if self.left > 0 {
                self.since = now;
            }
        }
        self.left.checked_sub(1).map(|left| self.left = left).is_some()
    }

    /// Gives some back.
    pub(super) fn earn(&mut self, tokens: u32) {
        self.left = (self.left + tokens).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_budget_is_used_up_and_comes_back_with_time() {
        let start = Instant::now();
        let mut budget = Budget::new(3, 2, start);
        let spent = |budget: &mut Budget, after| (0..9).take_while(|_| budget.spend(start + after)).count();
        assert_eq!(spent(&mut budget, Duration::ZERO), 3);
        assert_eq!(spent(&mut budget, Duration::from_millis(400)), 0);
        assert_eq!(spent(&mut budget, Duration::from_millis(1000)), 2);
        assert_eq!(spent(&mut budget, Duration::from_secs(60)), 3);
        budget.earn(1);
        assert_eq!(spent(&mut budget, Duration::from_secs(60)), 1);
        budget.earn(9);
        assert_eq!(spent(&mut budget, Duration::from_secs(60)), 3);
    }
}
