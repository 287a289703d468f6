//! What the log and the service manager (sd_notify(3)), where there is one, are told: ready, stopping, alive.

use std::convert::Infallible;
use std::time::Duration;

use sd_notify::NotifyState;
use umbra_common::ledger::Snapshot;

use crate::deadlines::LOOK;

/// A worker that has not turned for so many looks over its deadlines is stuck, however short the watchdog's time is.
const MISSED_LOOKS: u32 = 8;

/// The service is up, and what it does: the log has it too.
pub fn ready(status: &str) {
    tracing::info!("{status}");
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The service stops within `limit`: it asks not to be killed before.
pub fn stopping(limit: Duration) {
    /// What the store and the exit may take on top.
    const MARGIN: Duration = Duration::from_secs(5);
    tracing::info!("draining, at most {limit:?}; a second signal exits at once");
    let micros = u32::try_from((limit + MARGIN).as_micros()).unwrap_or(u32::MAX);
    let status = format!("draining, at most {limit:?}");
    tell(&[NotifyState::Stopping, NotifyState::Status(&status), NotifyState::ExtendTimeoutUsec(micros)]);
}

/// The service has stopped, with this in its ledger.
pub fn drained(ledger: &Snapshot) {
    match ledger.state("dropped") {
        0 => tracing::info!("drained: {ledger}"),
        lost => tracing::warn!("drained, {lost} requests are not recorded: {ledger}"),
    }
}

/// Shows the watchdog, where the service has one (`WatchdogSec=`), a sign of life for as long as `stuck` finds no worker
/// that has not turned for the time it is given. One that is stuck holds up every connection it has: then the service
/// manager restarts the recorder.
pub async fn keep_alive(stuck: impl Fn(Duration) -> Option<usize>) -> Infallible {
    let Some(limit) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    let patience = (limit / 2).max(LOOK * MISSED_LOOKS);
    let mut ticks = tokio::time::interval((limit / 4).max(Duration::from_millis(1)));
    loop {
        ticks.tick().await;
        match stuck(patience) {
            None => tell(&[NotifyState::Watchdog]),
            Some(n) => tracing::error!(worker = n, "a worker is stuck; the watchdog gets no sign of life"),
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot tell the service manager");
    }
}
