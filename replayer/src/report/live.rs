//! What can be seen while a lane runs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::metrics::histogram::Histogram;

/// One lane's gauges and distributions; the ledger has the counts.
#[derive(Debug)]
pub struct Live {
    in_flight: AtomicI64,
    lag_micros: AtomicU64,
    behind_micros: AtomicU64,
    /// Negative where nobody knows.
    behind_records: AtomicI64,
    /// Of the fleet's rate, as a float's bits.
    share: AtomicU64,
    late: AtomicU64,
    /// Negative until the log is read.
    gone: AtomicI64,
    gone_of: Mutex<BTreeMap<i32, u64>>,
    again: AtomicU64,
    complete: AtomicBool,
    /// The longest that the schedule can be; all bits where nobody knows.
    schedule_micros: AtomicU64,
    begun: Instant,
    /// When the last request was due, from `begun`; zero where there is no schedule.
    due_micros: AtomicU64,
    retried: AtomicU64,
    unconnected: Mutex<Option<Instant>>,
    /// From due to sent, in seconds, where there is a schedule.
    pub(crate) lag: Histogram,
    /// From sending to the end of the answer, in seconds.
    pub(crate) latency: Histogram,
}

/// Held while a request is in flight.
#[derive(Debug)]
pub struct InFlight<'a>(&'a Live);

/// While a target stays away, that is said this often.
const SAY_EVERY: Duration = Duration::from_secs(30);

/// From a tenth of a millisecond, below which no lag matters, to the usual timeout.
const LAG_BUCKETS: [f64; 12] = [0.0001, 0.0003, 0.0006, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];
/// From what loopback takes to the usual timeout.
const LATENCY_BUCKETS: [f64; 12] = [0.0005, 0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1.0, 3.0, 10.0];

impl Live {
    /// A request is about to leave.
    pub fn enter(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self)
    }

    /// A request has ended: when it was due, where there is a schedule, when it left, and how long its answer took.
    pub fn sent(&self, due: Option<Instant>, at: Option<Instant>, latency: Option<Duration>) {
        if let (Some(due), Some(at)) = (due, at) {
            let lag = at.saturating_duration_since(due);
            self.lag_micros.store(micros(lag), Ordering::Relaxed);
            self.lag.observe(lag.as_secs_f64());
            // Answers come in any order.
            self.due_micros.fetch_max(micros(due.saturating_duration_since(self.begun)), Ordering::Relaxed);
        }
        if let Some(latency) = latency {
            self.latency.observe(latency.as_secs_f64());
        }
    }

    /// The target cannot be connected to, and is waited for. Counted, and said once in a while.
    pub fn unconnected(&self, target: &str, address: &str, why: &dyn std::fmt::Display) {
        self.retried.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let mut said = self.unconnected.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_none_or(|at| now.duration_since(at) >= SAY_EVERY) {
            *said = Some(now);
            drop(said);
            tracing::warn!(target, address, %why, "the target cannot be reached; waiting for it, nothing is lost meanwhile");
        }
    }

    /// How often the target could not be connected to and was tried again.
    pub fn retried(&self) -> u64 {
        self.retried.load(Ordering::Relaxed)
    }

    /// So many exchanges came out of order by now.
    pub fn set_late(&self, late: u64) {
        self.late.store(late, Ordering::Relaxed);
    }

    /// So many positions were removed from the log before they were read.
    pub fn set_gone(&self, gone: u64) {
        self.gone.store(i64::try_from(gone).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// So many positions of each partition were removed from the followed log before they were read.
    pub fn set_gone_of(&self, partitions: &BTreeMap<i32, u64>) {
        let all = partitions.values().sum();
        // Nearly always as it was.
        if self.gone() != Some(all) {
            self.gone_of.lock().unwrap_or_else(PoisonError::into_inner).clone_from(partitions);
            self.set_gone(all);
        }
    }

    /// The same for each partition that lost any; of a followed log.
    pub fn gone_of(&self) -> BTreeMap<i32, u64> {
        self.gone_of.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many positions were removed from the log before they were read; nothing until it is read.
    pub fn gone(&self) -> Option<u64> {
        u64::try_from(self.gone.load(Ordering::Relaxed)).ok()
    }

    /// One more was read to be sent; `again` where an earlier run may have sent it.
    pub fn add_again(&self, again: bool) {
        self.again.fetch_add(u64::from(again), Ordering::Relaxed);
    }

    /// How many are sent that an earlier run may have sent.
    pub fn again(&self) -> u64 {
        self.again.load(Ordering::Relaxed)
    }

    /// The exchange read last arrived so long ago.
    pub fn set_behind(&self, behind: Duration) {
        self.behind_micros.store(micros(behind), Ordering::Relaxed);
    }

    /// So many records of the log have not ended yet, where that is known.
    pub fn set_behind_records(&self, behind: Option<u64>) {
        let behind = behind.map_or(-1, |count| i64::try_from(count).unwrap_or(i64::MAX));
        self.behind_records.store(behind, Ordering::Relaxed);
    }

    /// This replica has such a part of the fleet's rate, from 0 to 1.
    pub fn set_share(&self, share: f64) {
        self.share.store(share.to_bits(), Ordering::Relaxed);
    }

    /// Everything that there was to read has been handed on.
    pub fn set_complete(&self) {
        self.complete.store(true, Ordering::Relaxed);
    }

    /// From the first due time to the last it is at most so long, at the recorded speed.
    pub fn set_schedule(&self, longest: Duration) {
        self.schedule_micros.store(micros(longest), Ordering::Relaxed);
    }

    /// From the first due time to the last, at most and at the recorded speed, where that is known.
    pub fn schedule(&self) -> Option<Duration> {
        let longest = self.schedule_micros.load(Ordering::Relaxed);
        (longest != u64::MAX).then(|| Duration::from_micros(longest))
    }

    /// How far along its schedule the sending is, from some moment of its start on; nothing where there is no schedule.
    pub fn scheduled(&self) -> Option<Duration> {
        let due = self.due_micros.load(Ordering::Relaxed);
        (due > 0).then(|| Duration::from_micros(due))
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
        Duration::from_micros(self.lag_micros.load(Ordering::Relaxed))
    }

    /// This replica's part of the fleet's rate, from 0 to 1.
    pub fn share(&self) -> f64 {
        f64::from_bits(self.share.load(Ordering::Relaxed))
    }

    /// How many records of the log have not ended yet, where that is known.
    pub fn behind_records(&self) -> Option<u64> {
        u64::try_from(self.behind_records.load(Ordering::Relaxed)).ok()
    }

    /// How long ago the exchange that was read last arrived.
    pub fn behind(&self) -> Duration {
        Duration::from_micros(self.behind_micros.load(Ordering::Relaxed))
    }
}

impl Default for Live {
    fn default() -> Self {
        Self {
            in_flight: AtomicI64::new(0),
            lag_micros: AtomicU64::new(0),
            behind_micros: AtomicU64::new(0),
            behind_records: AtomicI64::new(-1),
            share: AtomicU64::new(0),
            late: AtomicU64::new(0),
            gone: AtomicI64::new(-1),
            gone_of: Mutex::new(BTreeMap::new()),
            again: AtomicU64::new(0),
            complete: AtomicBool::new(false),
            schedule_micros: AtomicU64::new(u64::MAX),
            begun: Instant::now(),
            due_micros: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            unconnected: Mutex::new(None),
            lag: Histogram::new(LAG_BUCKETS),
            latency: Histogram::new(LATENCY_BUCKETS),
        }
    }
}

fn micros(of: Duration) -> u64 {
    u64::try_from(of.as_micros()).unwrap_or(u64::MAX)
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
