//! The rules and the dashboard, on what running programs give to a real Prometheus.

use std::collections::BTreeSet;
use std::time::Duration;

use regex::Regex;
use serde_json::Value;
use umbra_common::time::Timestamp;
use umbra_tests::deployed;
use umbra_tests::exchanges::get;
use umbra_tests::kubernetes::{assert_valid, documents, documents_of};
use umbra_tests::origin::Origin;
use umbra_tests::prometheus::{Prometheus, promtool};
use umbra_tests::stores::TestStore;
use umbra_tests::wait::eventually;
use umbra_tests::wire::RawClient;

use crate::controlled::Controlled;
use crate::running::Running;

const RULES: &str = "prometheus/rules.yml";
const DASHBOARD: &str = "grafana/dashboards/umbra.json";

/// What Grafana puts in the place of the dashboard's variables.
const VARIABLES: [(&str, &str); 4] =
    [("$__rate_interval", "1m"), ("$recorder", ".*"), ("$replayer", ".*"), ("$target", ".*")];

fn path(of: &str) -> String {
    deployed::path(of).display().to_string()
}

/// All rules, those that record first.
fn rules() -> Vec<Value> {
    let file = documents_of(&deployed::path(RULES)).remove(0);
    let groups = file["groups"].as_array().unwrap().iter();
    let mut rules: Vec<Value> = groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect();
    rules.sort_by_key(|rule| rule["alert"].is_string());
    rules
}

fn alerts() -> Vec<Value> {
    rules().into_iter().filter(|rule| rule["alert"].is_string()).collect()
}

fn dashboard() -> Value {
    serde_json::from_str(&deployed::text(DASHBOARD)).unwrap()
}

fn panels() -> Vec<Value> {
    dashboard()["panels"].as_array().unwrap().clone()
}

/// What the dashboard asks, with values in the place of variables.
fn queries() -> Vec<String> {
    let mut queries = Vec::new();
    for panel in panels() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let asked = target["expr"].as_str().unwrap().to_owned();
            queries.push(VARIABLES.iter().fold(asked, |text, (name, value)| text.replace(name, value)));
        }
    }
    assert!(queries.iter().all(|query| !query.contains('$')), "{queries:?}");
    queries
}

#[test]
fn each_alert_fires_when_it_is_to_and_only_then() {
    promtool(&["check", "rules", &path(RULES)]).expect(0);
    promtool(&["test", "rules", &path("prometheus/rules_test.yml")]).expect(0);
    let tests = documents_of(&deployed::path("prometheus/rules_test.yml")).remove(0);
    for alert in alerts() {
        let name = &alert["alert"];
        let all =
            tests["tests"].as_array().unwrap().iter().flat_map(|test| test["alert_rule_test"].as_array().unwrap());
        let of: Vec<_> = all.filter(|test| test["alertname"] == *name).collect();
        let silent = of.iter().filter(|test| test["exp_alerts"].as_array().unwrap().is_empty()).count();
        // Where all is well, and before its time.
        assert!(silent >= 2 && of.len() > silent, "{name}: {silent} of {} tests are silent", of.len());
    }
}

/// As the guide makes one of them.
#[test]
fn the_rules_are_a_resource_for_prometheus_operator_too() {
    let guide = deployed::text("README.md");
    let head = "apiVersion: monitoring.coreos.com/v1\\nkind: PrometheusRule\\nmetadata: { name: umbra }\\nspec:\\n";
    assert!(guide.contains(&format!("{{ printf '{head}'; sed 's/^/  /' prometheus/rules.yml; }}")));
    let rules: String = deployed::text(RULES).lines().map(|line| format!("  {line}\n")).collect();
    assert_valid(&documents(&(head.replace("\\n", "\n") + &rules)));
}

#[test]
fn each_alert_says_what_it_is_and_what_to_do() {
    let runbook = deployed::text("prometheus/RUNBOOK.md");
    let mut sections: BTreeSet<&str> = runbook.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    for alert in alerts() {
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{alert}")).to_owned();
        let name = text(&alert["alert"]);
        assert!(!text(&alert["for"]).is_empty());
        assert!(["critical", "warning", "info"].contains(&text(&alert["labels"]["severity"]).as_str()), "{name}");
        let notes = &alert["annotations"];
        assert!(!text(&notes["summary"]).is_empty() && !text(&notes["description"]).is_empty());
        assert_eq!(text(&notes["runbook_url"]), format!("RUNBOOK.md#{}", name.to_lowercase()));
        assert!(sections.remove(name.as_str()), "{name} has no section in the runbook");
    }
    assert!(sections.is_empty(), "no alerts: {sections:?}");
}

#[test]
fn the_dashboard_is_a_model_that_grafana_takes() {
    let dashboard = dashboard();
    assert_eq!((dashboard["uid"].as_str(), dashboard["schemaVersion"].as_u64()), (Some("umbra"), Some(39)));
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!(
        (variables[0]["type"].as_str(), variables[0]["query"].as_str()),
        (Some("datasource"), Some("prometheus"))
    );
    let defined: BTreeSet<String> = variables.iter().map(|v| format!("${}", v["name"].as_str().unwrap())).collect();
    let source = serde_json::json!({ "type": "prometheus", "uid": "${datasource}" });
    let used = Regex::new(r"\$[a-z]\w*").unwrap();
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels have the id {}", panel["id"]);
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for (x, y) in (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y))) {
            assert!(x < 24 && taken.insert((x, y)), "{} overlaps at {x}, {y}", panel["title"]);
        }
        if panel["type"] == "row" {
            continue;
        }
        assert!(!panel["description"].as_str().unwrap().is_empty());
        assert_eq!(panel["datasource"], source);
        let asked = panel["targets"].as_array().unwrap();
        let refs: BTreeSet<_> = asked.iter().map(|target| target["refId"].as_str().unwrap()).collect();
        assert_eq!(refs.len(), asked.len(), "{}", panel["title"]);
        for target in asked {
            assert_eq!(target["datasource"], source);
            for name in used.find_iter(target["expr"].as_str().unwrap()) {
                assert!(defined.contains(name.as_str()), "{} is no variable", name.as_str());
            }
        }
    }
}

/// Recorders and replayers of every kind that gives figures of its own, with traffic, under Prometheus' eyes.
struct Observed {
    prometheus: Prometheus,
    recorders: [Running; 2],
    _replayers: [Controlled; 2],
    _stores: [TestStore; 2],
    _origins: [Origin; 2],
}

impl Observed {
    fn start() -> Self {
        let (origin, staging) = (Origin::start(), Origin::start());
        let (log, file) = (TestStore::kafka(), TestStore::sqlite());
        let spool = file.directory().join("spool").display().to_string();
        let recorder = Running::start(&["--store", log.url(), "--upstream", &origin.url(), "--spool", &spool]);
        let sink = Running::start(&["--store", file.url(), "--sink"]);
        for recorder in [&recorder, &sink] {
            RawClient::connect(recorder.addr()).exchange("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        }
        let recorded = |recorder: &Running| {
            let ledger = &recorder.status()["ledger"];
            ledger["seen"] == 1 && ledger["open"] == 0
        };
        eventually("both have recorded", || recorded(&recorder) && recorded(&sink));

        let target = format!("staging={}", staging.url());
        let follow = ["follow", "--store", log.url(), "--target", &target, "--from", "earliest"];
        let follower = Controlled::start(&follow);
        // One that is under way for longer than the test.
        let every = |n: u32| Timestamp::now().before(Duration::from_millis(200) * n);
        file.write(&(1..=1500).map(|n| get(every(n), "/")).collect::<Vec<_>>());
        let replay = ["replay", "--store", file.url(), "--target", &target, "--from", "-1h", "--to", "now"];
        let replay = Controlled::start(&replay);
        let prometheus = Prometheus::start(
            &deployed::path(RULES),
            &[
                ("umbra-recorder", recorder.admin_addr()),
                ("umbra-recorder-sink", sink.admin_addr()),
                ("umbra-replayer-follow", follower.admin_addr()),
                ("umbra-replayer-job", replay.admin_addr()),
            ],
        );
        Self {
            prometheus,
            recorders: [recorder, sink],
            _replayers: [follower, replay],
            _stores: [log, file],
            _origins: [origin, staging],
        }
    }

    /// The values of an expression now, when there has been one request more.
    fn values(&self, expression: &str) -> Vec<f64> {
        RawClient::connect(self.recorders[0].addr()).exchange("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        self.prometheus.values(expression)
    }
}

#[test]
fn rules_and_dashboard_ask_for_what_running_programs_give() {
    let observed = Observed::start();
    let selector = Regex::new(r"(?:\w+:)?umbra_\w+(?::\w+)?(?:\{[^}]*\})?").unwrap();
    let ours = Regex::new(r#"(?:job|instance)=~?"[^"]*",?"#).unwrap();
    let rules = rules().into_iter().map(|rule| rule["expr"].as_str().unwrap().to_owned());
    let asked: BTreeSet<String> = rules
        .chain(queries())
        .flat_map(|text| selector.find_iter(&text).map(|found| found.as_str().to_owned()).collect::<Vec<_>>())
        .map(|text| ours.replace_all(&text, "").into_owned())
        .collect();
    assert!(asked.len() > 80, "{asked:?}");
    for selector in asked {
        eventually(&format!("a series for {selector}"), || !observed.values(&selector).is_empty());
    }

    // Documents name them too.
    let name = Regex::new(r"\bumbra_(?:recorder|replayer)_\w+").unwrap();
    let names = observed.prometheus.names();
    for file in deployed::files("", "md") {
        for named in name.find_iter(&deployed::text(&file)) {
            let named = named.as_str();
            let there = names.contains(named) || names.contains(&format!("{named}_bucket"));
            assert!(there, "deploy/{file}: there is no {named}");
        }
    }
}

#[test]
fn every_panel_shows_something() {
    let observed = Observed::start();
    for query in queries() {
        // Quantiles of a time in which nothing happened are no numbers.
        let shown = |values: Vec<f64>| values.iter().any(|value| !value.is_nan());
        eventually(&format!("a value of {query}"), || shown(observed.values(&query)));
    }
}
