//! Whether lag grows: the straight line through all of a run's lags, in constant memory.

use std::time::{Duration, Instant};

/// The least-squares line of lag over due time, by Welford's way of adding one at a time, which keeps its digits however
/// long a run is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trend {
    first: Option<Instant>,
    count: f64,
    mean_due: f64,
    mean_lag: f64,
    /// The sums of squares and of products around the means.
    squares: f64,
    products: f64,
}

impl Trend {
    /// One was due then, and left so late.
    pub(super) fn add(&mut self, due: Instant, lag: Duration) {
        let first = *self.first.get_or_insert(due);
        // What comes out of order may be due before the first.
        let x = due.saturating_duration_since(first).as_secs_f64() - first.saturating_duration_since(due).as_secs_f64();
        let y = lag.as_secs_f64();
        self.count += 1.0;
        let from_mean = x - self.mean_due;
        self.mean_due += from_mean / self.count;
        self.mean_lag += (y - self.mean_lag) / self.count;
        self.squares += from_mean * (x - self.mean_due);
        self.products += from_mean * (y - self.mean_lag);
    }

    /// How much lag each second of the schedule adds; nothing where all were due at one moment.
    pub(super) fn slope(&self) -> Option<f64> {
        (self.squares > 0.0).then(|| self.products / self.squares)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slope(lags_ms: impl IntoIterator<Item = u64>) -> Option<f64> {
        let (start, mut trend) = (Instant::now(), Trend::default());
        for (n, lag) in (0..).zip(lags_ms) {
            trend.add(start + Duration::from_millis(n), Duration::from_millis(lag));
        }
        trend.slope()
    }

    #[test]
    fn a_lag_that_grows_is_told_by_how_much() {
        // A millisecond more for each of a hundred.
        assert!((slope((0..10_000).map(|n| n / 100)).unwrap() - 0.01).abs() < 1e-5);
        assert!(slope(std::iter::repeat_n(7, 1000)).unwrap().abs() < 1e-12);
        assert_eq!((slope([3]), slope([])), (None, None));
    }

    #[test]
    fn one_late_request_at_the_end_is_no_drift() {
        let last_is_late = |n| if n == 9_999 { 500 } else { 0 };
        assert!(slope((0..10_000).map(last_is_late)).unwrap() < 1e-4);
    }
}
