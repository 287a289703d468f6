//! `/status`: everything an operator asks first, as one JSON object.

use http::HeaderName;
use serde_json::{Map, Value, json};
use umbra_common::ledger::Snapshot;

use super::View;

pub(super) fn json(view: &View) -> String {
    let config = &view.shared.config;
    let (state, since, error) = view.health.get();
    let status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "instance": &*config.instance,
        "uptime_seconds": view.started.elapsed().as_secs(),
        "draining": view.is_draining(),
        "upstream": config.upstream_name(),
        "store": {
            "url": config.store_url().to_string(),
            "state": state.as_str(),
            "since": since.to_string(),
            "error": error,
        },
        "sampling": { "fraction": config.sample.fraction.to_string(), "by": config.sample.by.to_string() },
        "responses": config.responses.to_string(),
        "masked": config.redacted.iter().map(HeaderName::as_str).collect::<Vec<_>>(),
        "memory": { "used_bytes": view.shared.budget.used(), "limit_bytes": view.shared.budget.limit() },
        "queue_batches": view.queued(),
        "ledger": ledger(&view.shared.ledger.snapshot()),
    });
    format!("{status:#}\n")
}

fn ledger(snapshot: &Snapshot) -> Value {
    let mut ends = Map::new();
    for end in &snapshot.ends {
        match end.reason {
            "" => {
                ends.insert(end.state.to_owned(), end.count.into());
            }
            reason => {
                let reasons = ends.entry(end.state).or_insert_with(|| json!({}));
                if let Value::Object(reasons) = reasons {
                    reasons.insert(reason.to_owned(), end.count.into());
                }
            }
        }
    }
    json!({
        "seen": snapshot.seen,
        "ended": ends,
        "open": snapshot.open(),
        "sum": snapshot.to_string(),
    })
}
