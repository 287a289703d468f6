//! What can be seen while a lane runs.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// One lane's gauges; the ledger has the counts.
#[derive(Debug, Default)]
pub struct Live {
    in_flight: AtomicI64,
    lag_micros: AtomicI64,
    late: AtomicU64,
    complete: AtomicBool,
}

/// Held while a request is in flight.
#[derive(Debug)]
pub struct InFlight<'a>(&'a Live);

impl Live {
    /// A request is about to leave.
    pub fn enter(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self)
    }

    /// A request has ended: how late it left, where there is a schedule, and how long its answer took.
    pub fn sent(&self, lag: Option<Duration>, latency: Option<Duration>) {
        let _ = latency;
        if let Some(lag) = lag {
            self.lag_micros.store(i64::try_from(lag.as_micros()).unwrap_or(i64::MAX), Ordering::Relaxed);
        }
    }

    /// So many exchanges came out of order by now.
    pub fn set_late(&self, late: u64) {
        self.late.store(late, Ordering::Relaxed);
    }

    /// Everything that there was to read has been handed on.
    pub fn set_complete(&self) {
        self.complete.store(true, Ordering::Relaxed);
    }

    /// How many exchanges came out of order.
    pub fn late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    /// Whether everything that there was to read has been handed on.
    pub fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Relaxed)
    }

    /// Requests in flight now.
    pub fn in_flight(&self) -> i64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// How late the last request left.
    pub fn lag(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.lag_micros.load(Ordering::Relaxed)).unwrap_or(0))
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
