//! What lies in `deploy/`: rendered, validated, run.

mod chart;
mod examples;
mod judging;
mod proxies;
mod taking;
mod values;

use umbra_tests::deployed;
use umbra_tests::kubernetes::Chart;

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
fn rendered(example: &str, more: &[&str]) -> Vec<serde_json::Value> {
    let file = values_of(example);
    umbra().render("shop", &[&["-f", file.as_str()], more].concat()).unwrap_or_else(|why| panic!("{example}: {why}"))
}

/// Every example of values.
const EXAMPLES: [&str; 4] = ["inline", "sink", "secured", "replay"];
