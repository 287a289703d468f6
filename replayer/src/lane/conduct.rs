//! Seeing lanes to their end.

use std::time::Duration;

use super::Lane;
use crate::error::RunError;
use crate::report::TargetReport;
use crate::stop::Stop;

/// What came of all lanes.
pub(crate) struct Conducted {
    /// One for each, in order.
    pub targets: Vec<TargetReport>,
    /// Whether somebody ended the run before its end.
    pub interrupted: bool,
    /// The first failure.
    pub error: Option<RunError>,
}

/// How often lanes and the wish to end are looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Waits for all lanes. `outer` is the operator's wish to end, `inner` the lanes': it also ends them all when one must
/// not go on because it would send to production. `watch` is called meanwhile.
pub(crate) fn conduct(lanes: Vec<Lane>, outer: &Stop, inner: &Stop, watch: &mut dyn FnMut(&[Lane])) -> Conducted {
    while !lanes.iter().all(Lane::is_finished) {
        while inner.urgency() < outer.urgency() {
            inner.stop();
        }
        watch(&lanes);
        std::thread::sleep(LOOK);
    }
    watch(&lanes);
    let complete = lanes.iter().all(|lane| lane.live.is_complete());
    let (targets, errors): (Vec<_>, Vec<_>) = lanes.into_iter().map(Lane::join).unzip();
    let unsent = targets.iter().any(|t| t.ledger.reason("dropped", "interrupted") > 0);
    let interrupted = outer.is_stopped() && (!complete || unsent);
    Conducted { targets, interrupted, error: errors.into_iter().flatten().next() }
}
