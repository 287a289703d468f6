//! `/status`: what an operator asks first, as one JSON object.

use serde_json::{Map, Value, json};
use umbra_common::ledger::Snapshot;

use super::metrics::Shown;
use super::{Commands, Mode};

pub(super) fn json(lanes: &[Shown], commands: &Commands) -> String {
    let orders = commands.control.orders();
    let status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "mode": match commands.mode { Mode::Replay => "replay", Mode::Follow => "follow" },
        "paused": orders.paused.is_some(),
        "paused_seconds": (orders.pauses + orders.paused.map(|since| since.elapsed()).unwrap_or_default()).as_secs_f64(),
        "pace_asked": orders.pace.map(|(_, pace)| pace.to_string()),
        "stopping": commands.stop.is_stopped(),
        "targets": lanes.iter().map(|lane| target(lane, commands.mode)).collect::<Vec<_>>(),
    });
    format!("{status:#}\n")
}

fn target(lane: &Shown, mode: Mode) -> Value {
    let live = &lane.live;
    let mut target = json!({
        "name": &*lane.target,
        "ledger": ledger(&lane.ledger.snapshot()),
        "in_flight": live.in_flight(),
        "lag_seconds": live.lag().as_secs_f64(),
        "breaker": {
            "open": lane.breaker.open_since().is_some(),
            "open_seconds": lane.breaker.open_since().map(|since| since.elapsed().as_secs_f64()),
            "opened": lane.breaker.opened(),
        },
        "gone": live.gone(),
        "spared": { "limit": lane.strain.limit(), "lowered": lane.strain.lowered() },
    });
    if mode == Mode::Follow {
        target["share"] = live.share().into();
        target["behind_seconds"] = live.behind().as_secs_f64().into();
        target["connect_retried"] = live.retried().into();
        target["behind_records"] = live.behind_records().into();
        let gone = live.gone_of().into_iter().map(|(partition, count)| (partition.to_string(), count.into()));
        target["gone_by_partition"] = Value::Object(gone.collect());
    }
    target
}

fn ledger(snapshot: &Snapshot) -> Value {
    let mut ends = Map::new();
    for end in snapshot.ends.iter().filter(|end| end.count > 0) {
        if end.reason.is_empty() {
            ends.insert(end.state.to_owned(), end.count.into());
        } else {
            let reasons = ends.entry(end.state).or_insert_with(|| json!({}));
            reasons[end.reason] = end.count.into();
        }
    }
    json!({ "seen": snapshot.seen, "ended": ends, "open": snapshot.open(), "sum": snapshot.to_string() })
}
