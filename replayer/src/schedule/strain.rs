//! How much slower than asked a target has been sent to, to spare it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

/// Written where the pace is lowered, read by metrics and the report.
#[derive(Debug)]
pub struct Strain {
    lowered: AtomicU64,
    /// The limit now, as a float's bits; infinite where there is none.
    limit: AtomicU64,
    lowest: AtomicU64,
    spared_micros: AtomicU64,
}

/// The same for the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spared {
    /// How often the rate was lowered because the target broke a goal of `--pace-with`.
    pub lowered: u64,
    /// The lowest rate, in requests per second; nothing where it was never lowered.
    pub lowest_rate: Option<f64>,
    /// For how long the rate was limited, in seconds.
    pub seconds: f64,
}

impl Strain {
    /// The limit now, in requests per second.
    pub fn limit(&self) -> Option<f64> {
        Some(f64::from_bits(self.limit.load(Ordering::Relaxed))).filter(|limit| limit.is_finite())
    }

    /// How often the rate was lowered.
    pub fn lowered(&self) -> u64 {
        self.lowered.load(Ordering::Relaxed)
    }

    /// What the report says.
    pub fn spared(&self) -> Spared {
        let lowest = f64::from_bits(self.lowest.load(Ordering::Relaxed));
        Spared {
            lowered: self.lowered(),
            lowest_rate: lowest.is_finite().then_some(lowest),
            seconds: Duration::from_micros(self.spared_micros.load(Ordering::Relaxed)).as_secs_f64(),
        }
    }

    pub(super) fn lower(&self) {
        self.lowered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_limit(&self, limit: Option<f64>) {
        let limit = limit.unwrap_or(f64::INFINITY);
        self.limit.store(limit.to_bits(), Ordering::Relaxed);
        let lowest = f64::from_bits(self.lowest.load(Ordering::Relaxed)).min(limit);
        self.lowest.store(lowest.to_bits(), Ordering::Relaxed);
    }

    pub(super) fn add(&self, spared: Duration) {
        self.spared_micros.fetch_add(u64::try_from(spared.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Default for Strain {
    fn default() -> Self {
        let none = || AtomicU64::new(f64::INFINITY.to_bits());
        Self { lowered: AtomicU64::new(0), limit: none(), lowest: none(), spared_micros: AtomicU64::new(0) }
    }
}
