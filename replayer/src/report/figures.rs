//! What is counted while a lane runs, beside the ledger.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use umbra_common::exchange::ExchangeId;

use super::moments::Moments;
use super::samples::Samples;
use super::trend::Trend;
use super::{StatusPair, TargetReport, Times};

/// The exchange that a request came from, and what production answered, where that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its id.
    pub id: ExchangeId,
    /// The status code.
    pub status: Option<u16>,
    /// The gRPC status.
    pub grpc: Option<u8>,
    /// From the request's arrival to the end of the exchange.
    pub took: Option<Duration>,
}

impl Recorded {
    /// An exchange whose answer was not recorded.
    pub fn of(id: ExchangeId) -> Self {
        Self { id, status: None, grpc: None, took: None }
    }
}

/// What a target answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The gRPC status, of a gRPC call.
    pub grpc: Option<u8>,
    /// The body's length.
    pub bytes: u64,
    /// From sending to the end of the answer.
    pub latency: Duration,
}

impl Answer {
    /// Whether the server failed, as far as the status says.
    pub fn is_error(&self) -> bool {
        self.status >= 500 || self.grpc.is_some_and(is_server_fault)
    }
}

/// One lane's figures.
#[derive(Debug)]
pub struct Figures {
    keep_seconds: bool,
    sent: u64,
    errors: u64,
    compared: u64,
    changed: u64,
    statuses: BTreeMap<u16, u64>,
    grpc_statuses: BTreeMap<u8, u64>,
    matrix: BTreeMap<(u16, u16), u64>,
    latency: Times,
    lag: Times,
    trend: Trend,
    span: Option<Span>,
    moments: Moments,
    samples: Samples,
    recorded_latency: Times,
    sent_bytes: u64,
    received_bytes: u64,
    failures: Vec<String>,
}

/// The first and the last sending.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: Instant,
    last: Instant,
}

/// As many failures are kept in words.
const FAILURES: usize = 10;

impl Figures {
    /// Nothing yet. `keep_seconds` is for a run that has an end: it costs twelve bytes a second.
    pub fn new(keep_seconds: bool) -> Self {
        Self {
            keep_seconds,
            sent: 0,
            errors: 0,
            compared: 0,
            changed: 0,
            statuses: BTreeMap::new(),
            grpc_statuses: BTreeMap::new(),
            matrix: BTreeMap::new(),
            latency: Times::new(),
            lag: Times::new(),
            trend: Trend::default(),
            span: None,
            moments: Moments::default(),
            samples: Samples::default(),
            recorded_latency: Times::new(),
            sent_bytes: 0,
            received_bytes: 0,
            failures: Vec::new(),
        }
    }

    /// A request has left.
    pub fn sent(&mut self, due: Option<Instant>, at: Instant, bytes: u64) {
        self.sent += 1;
        self.sent_bytes += bytes;
        if let Some(due) = due {
            let lag = at.saturating_duration_since(due);
            self.lag.record(lag);
            self.trend.add(due, lag);
        }
        let span = self.span.get_or_insert(Span { first: at, last: at });
        span.last = at.max(span.last);
        if self.keep_seconds {
            let first = span.first;
            self.moments.sent(first, due, at);
        }
    }

    /// It was answered.
    pub fn answered(&mut self, recorded: &Recorded, answer: Answer) {
        *self.statuses.entry(answer.status).or_default() += 1;
        if let Some(grpc) = answer.grpc {
            *self.grpc_statuses.entry(grpc).or_default() += 1;
        }
        self.errors += u64::from(answer.is_error());
        let mut is_other = false;
        if let Some(status) = recorded.status {
            *self.matrix.entry((status, answer.status)).or_default() += 1;
            self.compared += 1;
            let grpc_changed = recorded.grpc.is_some() && recorded.grpc != answer.grpc;
            is_other = status != answer.status || grpc_changed;
            self.changed += u64::from(is_other);
        }
        if let Some(took) = recorded.took {
            self.recorded_latency.record(took);
        }
        self.samples.answered(recorded, &answer, is_other);
        self.latency.record(answer.latency);
        self.received_bytes += answer.bytes;
    }

    /// It was not: in the sender's words.
    pub fn failed(&mut self, recorded: &Recorded, why: impl Fn() -> String) {
        self.errors += 1;
        self.samples.failed(recorded, &why);
        if self.failures.len() < FAILURES {
            self.failures.push(why());
        }
    }

    /// It was due, and not sent: the breaker is open, and why has been said.
    pub fn unsent(&mut self) {
        self.errors += 1;
    }

    /// How many failed or were answered with an error.
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// The gaps between n requests are n − 1.
    fn mean_rate(&self) -> f64 {
        let took = self.span.map(|s| s.last.saturating_duration_since(s.first)).unwrap_or_default();
        if took.is_zero() { 0.0 } else { self.sent.saturating_sub(1) as f64 / took.as_secs_f64() }
    }

    /// How many requests have left or were tried.
    fn tried(&self, failed: u64) -> u64 {
        self.statuses.values().sum::<u64>() + failed
    }

    /// The report's figures; `failed` as the ledger has it.
    pub fn report(&self, failed: u64) -> TargetReport {
        let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
        TargetReport {
            error_rate: share(self.errors, self.tried(failed)),
            status_changed: share(self.changed, self.compared),
            statuses: self.statuses.clone(),
            grpc_statuses: self.grpc_statuses.iter().map(|(code, n)| (grpc_name(*code), *n)).collect(),
            status_matrix: (self.matrix.iter())
                .map(|(&(recorded, shadow), &count)| StatusPair { recorded, shadow, count })
                .collect(),
            latency: self.latency.quantiles(),
            lag: self.lag.quantiles(),
            drift: self.trend.slope(),
            mean_rate: self.mean_rate(),
            per_second: self.moments.per_second(),
            due_per_second: self.moments.due_per_second(),
            lag_ms_per_second: self.moments.lag_ms_per_second(),
            recorded_latency: self.recorded_latency.quantiles(),
            slowest: self.samples.slowest(),
            failing: self.samples.failing(),
            sent_bytes: self.sent_bytes,
            received_bytes: self.received_bytes,
            failures: self.failures.clone(),
            ..TargetReport::default()
        }
    }
}

/// The statuses that say the server failed, not the call (gRPC's status code documentation): UNKNOWN,
/// DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS.
fn is_server_fault(grpc: u8) -> bool {
    matches!(grpc, 2 | 4 | 12 | 13 | 14 | 15)
}

fn grpc_name(code: u8) -> String {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    NAMES.get(usize::from(code)).map_or_else(|| code.to_string(), |name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_shares_and_drift_follow_from_what_happened() {
        let start = Instant::now();
        let mut figures = Figures::new(true);
        let recorded = Recorded { status: Some(200), ..Recorded::of(ExchangeId::from_bytes([7; 16])) };
        for second in 0..4u64 {
            let due = start + Duration::from_secs(second);
            figures.sent(Some(due), due + Duration::from_millis(second), 10);
            let status = if second == 3 { 503 } else { 200 };
            let answer = Answer { status, grpc: None, bytes: 5, latency: Duration::from_millis(7) };
            figures.answered(&recorded, answer);
        }
        figures.failed(&recorded, || "connection refused".into());
        let report = figures.report(1);
        assert_eq!(report.error_rate, Some(0.4));
        assert_eq!(report.status_changed, Some(0.25));
        assert_eq!(report.per_second, [1, 1, 1, 1]);
        assert!((report.mean_rate - 0.999).abs() < 1e-3);
        assert!((report.drift.unwrap() - 0.001).abs() < 1e-9);
        assert_eq!((report.sent_bytes, report.received_bytes), (40, 20));
        assert_eq!(report.status_matrix[1], StatusPair { recorded: 200, shadow: 503, count: 1 });
        assert_eq!(report.failures, ["connection refused"]);
    }

    #[test]
    fn a_changed_grpc_status_is_a_changed_status() {
        let mut figures = Figures::new(false);
        let answer = Answer { status: 200, grpc: Some(14), bytes: 0, latency: Duration::ZERO };
        let of = Recorded::of(ExchangeId::from_bytes([7; 16]));
        figures.answered(&Recorded { status: Some(200), grpc: Some(0), ..of }, answer);
        let report = figures.report(0);
        assert_eq!((report.status_changed, report.error_rate), (Some(1.0), Some(1.0)));
        assert_eq!(report.grpc_statuses.keys().collect::<Vec<_>>(), ["UNAVAILABLE"]);
        assert_eq!(report.lag, None);
    }
}
