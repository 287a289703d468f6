//! The exit status of a replay, for the scripts that run one: an incomplete run never exits 0.

use std::sync::Arc;
use std::time::Duration;

use umbra_common::time::Timestamp;
use umbra_tests::exchanges::get;
use umbra_tests::origin::{Answer, Origin};
use umbra_tests::ports::Refusing;
use umbra_tests::process::Process;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::Gate;

use crate::both_stores::on_both_stores;
use crate::programs::{replay_all, replayer};

/// A store with so many requests, `apart` from each other, the last one a minute ago.
fn filled(store: &TestStore, count: u32, apart: Duration) {
    let first = Timestamp::now().before(Duration::from_secs(60) + apart * count);
    store.write(&(0..count).map(|i| get(first.after(apart * i), &format!("/{i}"))).collect::<Vec<_>>());
}

fn start(store: &TestStore, target: &str, more: &[&str]) -> Process {
    let target = format!("staging={target}");
    let all = ["replay", "--store", store.url(), "--target", &target, "--from", "-1day", "--to", "+1h"];
    replayer(&[&all, more].concat())
}

fn report(store: &TestStore) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(store.directory().join("report.json")).unwrap()).unwrap()
}

on_both_stores! {
    fn a_whole_run_is_0_and_its_report_adds_up(store: &TestStore) {
        filled(store, 30, Duration::from_millis(1));
        let staging = Origin::with(|head| match head.target() {
            b"/7" => Answer::status(503, &[], "busy"),
            _ => Answer::ok("ok"),
        });
        let file = store.directory().join("report.json").display().to_string();
        let finished = replay_all(store, &staging, &["--rate", "max", "--report", &file]).expect(0);
        assert!(finished.stdout.contains("seen 30 = answered 30"), "{}", finished.stdout);
        let target = report(store)["targets"][0].clone();
        assert_eq!((&target["ledger"]["seen"], &target["ledger"]["answered"]), (&30.into(), &30.into()), "{target}");
        assert_eq!((&target["statuses"]["200"], &target["statuses"]["503"]), (&29.into(), &1.into()), "{target}");
        let matrix = target["status_matrix"].to_string();
        assert!(matrix.contains(r#"{"count":1,"recorded":200,"shadow":503}"#), "{matrix}");
    }

    fn an_interrupted_run_is_130_and_counts_what_it_did_not_send(store: &TestStore) {
        filled(store, 200, Duration::from_secs(1));
        let staging = Origin::start();
        let file = store.directory().join("report.json").display().to_string();
        let process = start(store, &staging.url(), &["--speed", "10x", "--report", &file]);
        staging.wait_for(3);
        process.signal("INT");
        process.finish().expect(130);
        let report = report(store);
        let ledger = &report["targets"][0]["ledger"];
        let (answered, dropped) = (ledger["answered"].as_u64().unwrap(), ledger["dropped"]["interrupted"].as_u64().unwrap());
        assert_eq!(ledger["seen"].as_u64().unwrap(), answered + dropped, "{ledger}");
        assert_eq!(answered, staging.requests().len() as u64, "{ledger}");
        assert_eq!(report["interrupted"], true);
    }
}

#[test]
fn a_crossed_gate_is_99_and_is_named() {
    let store = TestStore::sqlite();
    filled(&store, 20, Duration::ZERO);
    let staging = Origin::with(|_| Answer::status(500, &[], "no"));
    let finished = replay_all(&store, &staging, &["--rate", "max", "--fail-if", "error_rate>1%"]).expect(99);
    assert!(format!("{}{}", finished.stdout, finished.stderr).contains("error_rate>1%"), "{finished:?}");
    replay_all(&store, &staging, &["--rate", "max", "--fail-if", "failed>0"]).expect(0);
}

#[test]
fn a_target_that_nobody_answers_at_is_1() {
    let (store, nobody) = (TestStore::sqlite(), Refusing::new());
    filled(&store, 5, Duration::ZERO);
    let finished = start(&store, &format!("http://{}", nobody.addr()), &["--rate", "max"]).finish().expect(1);
    assert!(finished.stdout.contains("failed{connect} 5"), "{finished:?}");
}

#[test]
fn a_second_signal_gives_up_what_is_in_flight() {
    let store = TestStore::sqlite();
    filled(&store, 5, Duration::ZERO);
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let staging = Origin::with(move |_| Answer::unread().wait(&held).then(Answer::ok("late")));
    let process = start(&store, &staging.url(), &["--rate", "max", "--timeout", "10m"]);
    umbra_tests::wait::eventually("requests in flight", || staging.begun() == 5);
    process.signal("INT");
    process.signal("TERM");
    process.finish().expect(130);
    gate.open();
}
