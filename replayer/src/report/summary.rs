//! What came of a run, for programs: the JSON report is this struct.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::SerializeMap;
use umbra_common::ledger::Snapshot;
use umbra_common::time::Window;

use super::{Quantiles, Sample};
use crate::carry::CarryReport;
use crate::change::RuleReport;
use crate::schedule::Spared;
use crate::target::Broken;

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The window, in UTC; nothing for `follow`.
    pub window: Option<WindowReport>,
    /// The pace, as asked.
    pub pace: String,
    /// When the first request was due, in UTC.
    pub started: String,
    /// From then to the last answer, in seconds.
    pub seconds: f64,
    /// Whether somebody ended the run before its end.
    pub interrupted: bool,
    /// Why the run could not be finished.
    pub error: Option<String>,
    /// The gates that were crossed, with the figures.
    pub crossed: Vec<String>,
    /// The job, of a run that has one.
    pub job: Option<JobReport>,
    /// One for each target, in the order given.
    pub targets: Vec<TargetReport>,
}

/// What a run was of its job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JobReport {
    /// The job's name.
    pub name: String,
    /// What becomes of requests in doubt: `at-least-once` or `at-most-once`.
    pub delivery: String,
    /// Whether the run went on with what another had begun.
    pub resumed: bool,
    /// The targets to which everything had been sent before.
    pub done_before: Vec<String>,
}

/// A stretch of recorded time, `[from, to)`, in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WindowReport {
    /// The first moment.
    pub from: String,
    /// The first moment after it.
    pub to: String,
}

impl From<Window> for WindowReport {
    fn from(window: Window) -> Self {
        Self { from: window.from().to_string(), to: window.to().to_string() }
    }
}

/// What came of a run at one target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetReport {
    /// The target's name.
    pub name: String,
    /// Its address.
    pub url: String,
    /// Where every exchange ended.
    #[serde(serialize_with = "ledger")]
    pub ledger: Snapshot,
    /// The share of what was to be sent that failed or was answered with 5xx or a gRPC status of the server's fault.
    pub error_rate: Option<f64>,
    /// The share of what was answered, and has a recorded status, whose status differs from it.
    pub status_changed: Option<f64>,
    /// How many answers had which status.
    pub statuses: BTreeMap<u16, u64>,
    /// How many gRPC answers had which status.
    pub grpc_statuses: BTreeMap<String, u64>,
    /// Recorded against shadow statuses, with counts.
    pub status_matrix: Vec<StatusPair>,
    /// From sending to the end of the answer.
    pub latency: Option<Quantiles>,
    /// From arrival to the end of the exchange, as production answered those that the target answered.
    pub recorded_latency: Option<Quantiles>,
    /// From due to sent; nothing without a schedule.
    pub lag: Option<Quantiles>,
    /// How much lag each second of the schedule added: the slope of lag over due time, over all requests.
    pub drift: Option<f64>,
    /// Requests sent per second, over the whole run.
    pub mean_rate: f64,
    /// Requests sent in each second of the run; for `follow` nothing.
    pub per_second: Vec<u32>,
    /// Requests due in each second of the run; nothing without a schedule.
    pub due_per_second: Vec<u32>,
    /// The longest lag of those sent in each second, in milliseconds; nothing without a schedule.
    pub lag_ms_per_second: Vec<f64>,
    /// Exchanges that came out of the store later than the look-ahead allows, and so out of order.
    pub late: u64,
    /// Positions that were removed from the log before they were read, which are at least as many as the records.
    pub gone: Option<u64>,
    /// How much slower than asked it was sent to, by `--pace-with`.
    pub spared: Spared,
    /// How often and for how long it was only probed, by `--breaker`.
    pub breaker: Broken,
    /// Requests that an earlier run of the job may have sent, and that were sent again.
    pub sent_again: u64,
    /// Request bodies sent, in bytes.
    pub sent_bytes: u64,
    /// Response bodies received, in bytes.
    pub received_bytes: u64,
    /// The first failures, in the sender's words.
    pub failures: Vec<String>,
    /// The requests whose answers took longest, the slowest first.
    pub slowest: Vec<Sample>,
    /// The first requests that failed, then the first of each pair of statuses that were answered with an error or otherwise
    /// than in production.
    pub failing: Vec<Sample>,
    /// What each change did, in the order in which they are applied.
    pub changes: Vec<RuleReport>,
    /// What each carry rule did.
    pub carried: Vec<CarryReport>,
}

/// How often a recorded status met a shadow status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StatusPair {
    /// What production answered.
    pub recorded: u16,
    /// What the target answered.
    pub shadow: u16,
    /// How often.
    pub count: u64,
}

impl Default for TargetReport {
    fn default() -> Self {
        Self {
            name: String::new(),
            url: String::new(),
            ledger: Snapshot { seen: 0, ends: Vec::new() },
            error_rate: None,
            status_changed: None,
            statuses: BTreeMap::new(),
            grpc_statuses: BTreeMap::new(),
            status_matrix: Vec::new(),
            latency: None,
            recorded_latency: None,
            lag: None,
            drift: None,
            mean_rate: 0.0,
            per_second: Vec::new(),
            due_per_second: Vec::new(),
            lag_ms_per_second: Vec::new(),
            late: 0,
            gone: None,
            spared: Spared::default(),
            breaker: Broken::default(),
            sent_again: 0,
            sent_bytes: 0,
            received_bytes: 0,
            failures: Vec::new(),
            slowest: Vec::new(),
            failing: Vec::new(),
            changes: Vec::new(),
            carried: Vec::new(),
        }
    }
}

/// `{"seen": 3, "answered": 2, "failed": {"connect": 1, …}, …}`: every state, also those with a count of zero.
fn ledger<S: serde::Serializer>(ledger: &Snapshot, to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(None)?;
    map.serialize_entry("seen", &ledger.seen)?;
    let mut states: Vec<&str> = Vec::new();
    for end in &ledger.ends {
        if states.contains(&end.state) {
            continue;
        }
        states.push(end.state);
        let of_state = ledger.ends.iter().filter(|e| e.state == end.state);
        if end.reason.is_empty() {
            map.serialize_entry(end.state, &end.count)?;
        } else {
            map.serialize_entry(end.state, &of_state.map(|e| (e.reason, e.count)).collect::<BTreeMap<_, _>>())?;
        }
    }
    map.end()
}
