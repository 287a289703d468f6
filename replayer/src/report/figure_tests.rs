use serde_json::Value;
use umbra_common::ledger::{Ledger, ReplayDrop, ReplaySkip, SendFailure};

use super::*;
use crate::carry::CarryReport;
use crate::change::RuleReport;
use crate::report::StatusPair;
use crate::schedule::Spared;
use crate::target::Broken;

fn quantiles(base: f64) -> Option<Quantiles> {
    Some(Quantiles { p50_ms: base, p90_ms: base + 1.0, p99_ms: base + 2.0, p999_ms: base + 3.0, max_ms: base + 4.0 })
}

/// A report in which every figure is there.
fn full() -> (Report, TargetReport) {
    let ledger = Ledger::new();
    for (count, outcome) in [
        (4, ReplayOutcome::Answered),
        (3, ReplayOutcome::Failed(SendFailure::Timeout)),
        (2, ReplayOutcome::SampledOut),
        (5, ReplayOutcome::Skipped(ReplaySkip::InDoubt)),
        (1, ReplayOutcome::Dropped(ReplayDrop::Interrupted)),
    ] {
        (0..count).for_each(|_| ledger.open().end(outcome));
    }
    let target = TargetReport {
        ledger: ledger.snapshot(),
        error_rate: Some(0.25),
        status_changed: Some(0.125),
        statuses: [(200, 6), (503, 7)].into(),
        grpc_statuses: [("UNAVAILABLE".to_owned(), 8)].into(),
        status_matrix: vec![StatusPair { recorded: 200, shadow: 503, count: 9 }],
        latency: quantiles(10.0),
        recorded_latency: quantiles(20.0),
        lag: quantiles(30.0),
        drift: Some(-0.5),
        mean_rate: 40.5,
        per_second: vec![41, 43, 1],
        late: 44,
        spared: Spared { lowered: 45, lowest_rate: Some(46.5), seconds: 47.0 },
        sent_again: 48,
        breaker: Broken { opened: 58, seconds: 59.0 },
        gone: Some(60),
        sent_bytes: 49,
        received_bytes: 50,
        changes: vec![RuleReport { rule: "r".into(), changed: 51, not_json: 52, encoded: 53 }],
        carried: vec![CarryReport { rule: "c".into(), taken: 54, replaced: 55, unknown: 56 }],
        ..TargetReport::default()
    };
    (Report { seconds: 57.0, ..Report::default() }, target)
}

/// The figures of a JSON report, by the keys that lead to each.
fn leaves(at: &str, value: &Value, into: &mut Vec<(String, f64)>) {
    match value {
        Value::Number(number) => into.push((at.to_owned(), number.as_f64().unwrap())),
        Value::Object(map) => map.iter().for_each(|(key, value)| leaves(&format!("{at}.{key}"), value, into)),
        Value::Array(all) => all.iter().for_each(|value| leaves(at, value, into)),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// What a gate calls the figure of a JSON report, and how many of its units are one of the report's.
fn name(key: &str) -> (String, f64) {
    let key = key.trim_start_matches('.');
    if let Some((of, quantile)) = key.split_once('.').filter(|(_, q)| q.ends_with("_ms")) {
        return (format!("{of}_{}", quantile.trim_end_matches("_ms")), 1.0);
    }
    match key {
        "error_rate" | "status_changed" => (key.to_owned(), 100.0),
        "drift" => (key.to_owned(), -100.0),
        "mean_rate" => ("rate".to_owned(), 1.0),
        "seconds" => ("took".to_owned(), 1e3),
        "breaker.opened" => ("breaker_opened".to_owned(), 1.0),
        "breaker.seconds" => ("breaker_open".to_owned(), 1e3),
        "spared.seconds" => ("limited".to_owned(), 1e3),
        "status_matrix.count" => ("status{200:503}".to_owned(), 1.0),
        _ => {
            let key = key.trim_start_matches("ledger.").trim_start_matches("spared.").trim_start_matches("changes.");
            let key =
                key.replace("carried.", "carry_").replace("grpc_statuses.", "grpc.").replace("statuses.", "status.");
            let name = key.split_once('.').map(|(state, reason)| format!("{state}{{{reason}}}"));
            (name.unwrap_or(key), 1.0)
        }
    }
}

#[test]
fn every_figure_of_the_report_can_be_a_gate() {
    let (run, target) = full();
    let mut all = Vec::new();
    leaves("", &serde_json::to_value(&target).unwrap(), &mut all);
    leaves("", &serde_json::to_value(&run).unwrap(), &mut all);
    // Series are judged by their extremes, and what names a pair is no figure.
    all.retain(|(key, _)| {
        !key.contains("per_second") && !matches!(&key[..], ".status_matrix.recorded" | ".status_matrix.shadow")
    });
    assert!(all.len() > 60, "{all:?}");
    for (key, value) in all {
        let (name, factor) = name(&key);
        let figure: Figure = name.parse().unwrap_or_else(|()| panic!("'{name}' is no figure, the report has {key}"));
        assert_eq!(figure.of(&run, &target), Some(value * factor), "{name}");
    }
    let of = |name: &str| name.parse::<Figure>().unwrap().of(&run, &target);
    assert_eq!((of("rate_min"), of("rate_max")), (Some(41.0), Some(43.0)), "the last second is not whole");
    assert_eq!(of("rate_kept"), Some(200.0));
    assert_eq!((of("status{5xx}"), of("status{2xx}"), of("status{404}")), (Some(7.0), Some(6.0), Some(0.0)));
    assert_eq!((of("status{2xx:5xx}"), of("status{200:404}")), (Some(9.0), Some(0.0)));
    assert_eq!((of("failed"), of("skipped")), (Some(3.0), Some(5.0)));
}

#[test]
fn what_is_no_figure_is_none() {
    for bad in [
        "",
        "errors",
        "failed{no}",
        "failed{connect",
        "status{}",
        "status{9xxx}",
        "status{1000}",
        "status{20}",
        "grpc{}",
        "answered{}",
    ] {
        assert!(bad.parse::<Figure>().is_err(), "{bad}");
    }
}

#[test]
fn the_documents_name_every_figure() {
    let readme = include_str!("../../README.md");
    for Named { name, .. } in NAMED {
        assert!(readme.contains(&format!("`{name}`")), "{name} is not in replayer/README.md");
    }
}

#[test]
fn nothing_was_sent_and_nothing_is_judged() {
    let (run, target) = (Report::default(), TargetReport::default());
    for name in ["error_rate", "lag_p99", "latency_max", "rate", "rate_min", "drift", "rate_kept", "lowest_rate"] {
        assert_eq!(name.parse::<Figure>().unwrap().of(&run, &target), None, "{name}");
    }
    let one_second = TargetReport { per_second: vec![5], ..TargetReport::default() };
    assert_eq!("rate_min".parse::<Figure>().unwrap().of(&run, &one_second), None);
    assert_eq!(Figure::names().split(", ").count(), NAMED.len() + 5);
}
