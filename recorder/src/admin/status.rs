//! `/status`: everything an operator asks first, as one JSON object.

use serde_json::{Map, Value, json};
use umbra_common::ledger::Snapshot;

use super::View;
use crate::rules::Action;

pub(super) fn of(view: &View) -> Value {
    let config = &view.shared.config;
    let (state, since, error) = view.health.get();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "instance": &*config.instance,
        "uptime_seconds": view.started.elapsed().as_secs(),
        "draining": view.is_draining(),
        "upstream": config.upstream_name(),
        "recording": recording(view),
        "store": {
            "url": config.store_url().to_string(),
            "state": state.as_str(),
            "since": since.to_string(),
            "error": error,
        },
        "spool": spool(view),
        "sampling": { "fraction": config.sample.fraction.to_string(), "by": config.sample.by.to_string() },
        "responses": config.responses.to_string(),
        "rules": rules(view),
        "redaction": redaction(view),
        "memory": { "used_bytes": view.shared.budget.used(), "limit_bytes": view.shared.budget.limit() },
        "queue": { "batches": view.queued(), "limit": view.queue_limit() },
        "ledger": ledger(&view.shared.ledger.snapshot()),
    })
}

/// Whether anything is recorded and, where nothing is, who said so.
pub(super) fn recording(view: &View) -> Value {
    let paused_by = view.shared.rules.paused_by().map(|by| by.as_str());
    json!({ "on": paused_by.is_none(), "paused_by": paused_by })
}

/// The rules in force, how often each has matched, and those that were refused.
pub(super) fn rules(view: &View) -> Value {
    let rules = &view.shared.rules;
    let (live, state, (reloads, failures)) = (rules.live(), rules.state(), rules.counts());
    let list = live.list().map(|(name, choice, counts)| {
        json!({
            "name": name,
            "sample": choice.fraction.to_string(),
            "responses": choice.limits.responses.to_string(),
            "body_limit_bytes": choice.limits.body,
            "matched": counts.matched(),
            "taken": counts.taken(),
        })
    });
    json!({
        "version": live.version(),
        "file": rules.file().map(|file| file.display().to_string()),
        "from": state.from.as_str(),
        "since": state.since.to_string(),
        "reloads": reloads,
        "reload_failures": failures,
        "refused": state.refused.map(|refused| json!({
            "from": refused.from.as_str(),
            "at": refused.at.to_string(),
            "why": refused.why,
        })),
        "list": list.collect::<Vec<_>>(),
    })
}

fn redaction(view: &View) -> Value {
    let live = view.shared.rules.live();
    let redactor = live.redactor();
    let redactions = &view.shared.redactions;
    json!({
        "masked": redactor.done(Action::Mask),
        "dropped": redactor.done(Action::Drop),
        "hashed": redactor.done(Action::Hash),
        "client": redactor.client_action().map(|action| action.to_string()),
        "values": redactions.values().collect::<std::collections::BTreeMap<_, _>>(),
        "bodies_dropped": redactions.bodies().collect::<std::collections::BTreeMap<_, _>>(),
    })
}

/// `null` where there is none.
fn spool(view: &View) -> Value {
    let (Some(spool), Some(figures)) = (&view.shared.config.spool, &view.spool) else { return Value::Null };
    json!({
        "folder": spool.dir.display().to_string(),
        "bytes": figures.bytes(),
        "limit_bytes": spool.limit.bytes(),
        "written": figures.written(),
        "delivered": figures.delivered(),
        "undeliverable": figures.undeliverable(),
        "unreadable_bytes": figures.unreadable_bytes(),
        "errors": figures.errors(),
    })
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
