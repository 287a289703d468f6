//! What an operator can do to a run that goes on: watch it, pause it, change its pace, stop it.

use std::time::{Duration, Instant};

use umbra_common::time::Timestamp;
use umbra_tests::arrivals::Arrivals;
use umbra_tests::exchanges::get;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::eventually;

use crate::controlled::Controlled;
use crate::programs::{assert_refused, replayer};

/// A store with so many requests of a moment long ago.
fn filled(count: u32) -> TestStore {
    let store = TestStore::sqlite();
    let arrival = Timestamp::now().before(Duration::from_secs(60));
    store.write(&(0..count).map(|n| get(arrival, &format!("/{n}"))).collect::<Vec<_>>());
    store
}

fn window<'a>(store: &'a TestStore, target: &'a str) -> Vec<&'a str> {
    vec!["replay", "--store", store.url(), "--target", target, "--from", "-1day", "--to", "now"]
}

#[test]
fn a_pause_lets_nothing_leave_and_a_resume_goes_on_without_a_burst() {
    let (store, receiver) = (filled(150), Arrivals::start());
    let target = receiver.target("a");
    let run = Controlled::start(&[&window(&store, &target)[..], &["--rate", "50/s"]].concat());
    receiver.wait_for(20);
    assert!(run.command("/pause", "").contains("paused"));
    eventually("what was in flight", || run.status()["targets"][0]["in_flight"] == 0);
    let held = receiver.count();
    eventually("a second of pause", || run.status()["paused_seconds"].as_f64().unwrap() >= 1.0);
    assert_eq!((receiver.count(), &run.status()["paused"]), (held, &true.into()));
    let resumed = Instant::now();
    assert!(run.command("/resume", "").contains("resumed"));
    receiver.wait_for(150);
    // A few may have been late when the pause began. Without the shift of the schedule it would be 50.
    for (n, arrival) in receiver.all()[held..].iter().enumerate() {
        let earliest = resumed + Duration::from_millis(20) * u32::try_from(n.saturating_sub(10)).unwrap();
        assert!(arrival.at >= earliest, "{n} after the pause came {:?} early", earliest - arrival.at);
    }
    run.finish().expect(0);
}

#[test]
fn a_pace_is_changed_while_it_is_kept() {
    let (store, receiver) = (filled(60), Arrivals::start());
    let target = receiver.target("a");
    // It would take an hour.
    let run = Controlled::start(&[&window(&store, &target)[..], &["--rate", "1/m"]].concat());
    receiver.wait_for(1);
    let refused = run.ask("POST", "/rate", "", "soon");
    assert_eq!(refused.head.status(), 400);
    assert!(run.command("/rate", "100/s").contains("from now on at 100/s"));
    let changed = Instant::now();
    receiver.wait_for(30);
    let took = changed.elapsed();
    assert!(took >= Duration::from_millis(200), "30 at 100/s in {took:?}");
    assert_eq!(run.status()["pace_asked"], "100/s");
    run.command("/rate", "max");
    run.finish().expect(0);
    assert_eq!(receiver.count(), 60);
}

#[test]
fn a_stop_ends_it_with_130_and_the_report() {
    let (store, receiver) = (filled(500), Arrivals::start());
    let (target, file) = (receiver.target("a"), store.directory().join("report.json"));
    let report = file.display().to_string();
    let run = Controlled::start(&[&window(&store, &target)[..], &["--rate", "20/s", "--report", &report]].concat());
    receiver.wait_for(3);
    // As often as anybody likes: it is never taken for a second Ctrl-C.
    run.command("/stop", "");
    let finished = run.finish().expect(130);
    assert!(finished.stdout.contains("interrupted"), "{}", finished.stdout);
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let ledger = &report["targets"][0]["ledger"];
    assert_eq!((&report["interrupted"], ledger["answered"].as_u64()), (&true.into(), Some(receiver.count() as u64)));
}

#[test]
fn a_stop_during_a_pause_is_a_stop() {
    let (store, receiver) = (filled(50), Arrivals::start());
    let target = receiver.target("a");
    let run = Controlled::start(&[&window(&store, &target)[..], &["--rate", "20/s"]].concat());
    receiver.wait_for(1);
    run.command("/pause", "");
    run.signal("INT");
    run.finish().expect(130);
}

#[test]
fn a_followed_tail_is_capped_paused_and_let_go() {
    let (store, receiver) = (filled(80), Arrivals::start());
    let target = receiver.target("a");
    let follow = ["follow", "--store", store.url(), "--target", &target, "--from", "earliest", "--rate", "1/m"];
    let run = Controlled::start(&follow);
    receiver.wait_for(1);
    assert_eq!(run.ask("POST", "/rate", "", "2x").head.status(), 400);
    eventually("what is left is known", || run.status()["targets"][0]["behind_records"].as_u64() == Some(79));
    run.command("/rate", "100/s");
    receiver.wait_for(40);
    run.command("/rate", "max");
    receiver.wait_for(80);
    eventually("nothing is left", || run.status()["targets"][0]["behind_records"].as_u64() == Some(0));
    run.signal("INT");
    run.finish().expect(130);
}

#[test]
fn beyond_loopback_only_who_has_the_token_is_heard() {
    let (store, receiver) = (filled(50), Arrivals::start());
    let target = receiver.target("a");
    let open = [&window(&store, &target)[..], &["--rate", "5/s", "--admin", "0.0.0.0:0"]].concat();
    assert_refused(replayer(&open), 2, &["--admin 0.0.0.0:0", "--admin-token"]);
    let file = store.directory().join("token");
    std::fs::write(&file, "s3cret\n").unwrap();
    let from = format!("file:{}", file.display());
    let run = Controlled::started(replayer(&[&open[..], &["--admin-token", &from]].concat()));
    for (lines, status) in
        [("", 401), ("authorization: Bearer wrong\r\n", 401), ("authorization: Bearer s3cret\r\n", 202)]
    {
        assert_eq!(run.ask("POST", "/stop", lines, "").head.status(), status, "{lines}");
    }
    let finished = run.finish().expect(130);
    assert!(!format!("{}{}", finished.stdout, finished.stderr).contains("s3cret"));
}
