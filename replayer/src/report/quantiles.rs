//! A distribution of times, in a few numbers.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Times from a microsecond to an hour, to three digits, in constant memory.
#[derive(Clone, Debug)]
pub struct Times(Option<Histogram<u64>>);

const LONGEST_MICROS: u64 = 3_600_000_000;
const DIGITS: u8 = 3;

impl Times {
    /// None yet.
    pub fn new() -> Self {
        // The bounds are valid, so this is always there.
        Self(Histogram::new_with_bounds(1, LONGEST_MICROS, DIGITS).ok())
    }

    /// One more.
    pub fn record(&mut self, time: Duration) {
        if let Some(all) = &mut self.0 {
            all.saturating_record(u64::try_from(time.as_micros()).unwrap_or(LONGEST_MICROS).min(LONGEST_MICROS));
        }
    }

    /// The numbers, or nothing where nothing was recorded.
    pub fn quantiles(&self) -> Option<Quantiles> {
        let all = self.0.as_ref().filter(|all| !all.is_empty())?;
        let at = |q| all.value_at_quantile(q) as f64 / MICROS_PER_MILLI;
        Some(Quantiles {
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: all.max() as f64 / MICROS_PER_MILLI,
        })
    }
}

const MICROS_PER_MILLI: f64 = 1000.0;

impl Default for Times {
    fn default() -> Self {
        Self::new()
    }
}

/// Quantiles in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quantiles {
    /// Half were not longer.
    pub p50_ms: f64,
    /// 90 % were not longer.
    pub p90_ms: f64,
    /// 99 % were not longer.
    pub p99_ms: f64,
    /// 99.9 % were not longer.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_thousandth() {
        let mut times = Times::new();
        assert_eq!(times.quantiles(), None);
        (1..=1000u64).for_each(|ms| times.record(Duration::from_millis(ms)));
        times.record(Duration::from_secs(1 << 40));
        let q = times.quantiles().unwrap();
        assert!((q.p50_ms - 501.0).abs() < 1.0 && (q.p99_ms - 991.0).abs() < 1.5, "{q:?}");
        assert!((q.max_ms - 3_600_000.0).abs() < 3600.0);
    }
}
