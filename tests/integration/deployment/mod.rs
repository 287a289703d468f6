//! What lies in `deploy/`: rendered, validated, run.

mod chart;
mod compose;
mod documents;
mod examples;
mod images;
mod judging;
mod meshes;
mod observing;
mod probes;
mod proxies;
mod rights;
mod sizing;
mod taking;
mod units;
mod values;

use serde_json::Value;
use umbra_tests::deployed;
use umbra_tests::kubernetes::Chart;
use umbra_tests::stores::TestStore;

use crate::programs::replayer;

/// The chart.
fn umbra() -> Chart {
    Chart::at(deployed::path("helm/umbra"))
}

/// An example's file of values.
fn values_of(example: &str) -> String {
    deployed::path(&format!("helm/examples/{example}.yaml")).display().to_string()
}

/// What the chart comes to with an example's values and further arguments.
#[track_caller]
fn rendered(example: &str, more: &[&str]) -> Vec<Value> {
    let file = values_of(example);
    umbra().render("shop", &[&["-f", file.as_str()], more].concat()).unwrap_or_else(|why| panic!("{example}: {why}"))
}

/// Every example of values.
const EXAMPLES: [&str; 4] = ["inline", "sink", "secured", "replay"];

/// How often staging answered with each status, when a replayer sent everything to it.
#[track_caller]
fn statuses(store: &TestStore, staging: &str, flags: &[&str]) -> Value {
    let file = store.directory().join("report.json").display().to_string();
    let target = format!("staging={staging}");
    let all = ["replay", "--store", store.url(), "--target", &target, "--from", "-1h", "--to", "+1h", "--rate", "max"];
    replayer(&[&all[..], &["--report", &file], flags].concat()).finish().expect(0);
    let report: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    report["targets"][0]["statuses"].clone()
}
