//! The strict edge: what could fool an intermediary is refused before it reaches anyone, no client holds anything for
//! ever, and each is counted by its reason.

mod abuse;
mod client_address;
mod connections;
mod http1;
mod http2;
mod http2_time_limits;
mod time_limits;

use umbra_tests::recorder::TestRecorder;
use umbra_tests::wait::eventually;

/// A request that is to be answered with 200.
const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// Waits until a metric has a value; nothing is counted twice.
#[track_caller]
fn counted(recorder: &TestRecorder, metric: &str, value: u64) {
    let mut last = 0;
    eventually(&format!("{metric} at {value}"), || {
        last = recorder.metric(metric);
        last >= value
    });
    assert_eq!(recorder.metric(metric), value, "{metric}");
}

/// The metric of connections that were ended for a reason.
fn ended(reason: &str) -> String {
    format!("umbra_recorder_connections_ended_total{{reason=\"{reason}\"}}")
}

/// The metric of requests that were refused for a reason.
fn refused(reason: &str) -> String {
    format!("umbra_recorder_refused_total{{reason=\"{reason}\"}}")
}
