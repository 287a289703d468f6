//! `follow`: what is recorded now is sent now, once, and a restart goes on where the last run was.

use std::sync::Arc;
use std::time::Duration;

use umbra_common::exchange::Exchange;
use umbra_common::time::Timestamp;
use umbra_tests::exchanges::get;
use umbra_tests::origin::{Answer, Origin};
use umbra_tests::recorder::TestRecorder;
use umbra_tests::replayer::TestFollow;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::{Gate, eventually};

use crate::both_stores::on_both_stores;

fn now(from: u32, to: u32) -> Vec<Exchange> {
    (from..to).map(|i| get(Timestamp::now(), &format!("/{i}"))).collect()
}

fn paths(origin: &Origin) -> Vec<String> {
    let mut all: Vec<_> = origin.requests().iter().map(|r| r.head.target().escape_ascii().to_string()).collect();
    all.sort_by_key(|t| t[1..].parse::<u32>().unwrap_or(u32::MAX));
    all
}

fn numbers(to: u32) -> Vec<String> {
    (0..to).map(|i| format!("/{i}")).collect()
}

on_both_stores! {
    fn live_requests_are_sent_once_and_a_restart_goes_on(store: &TestStore) {
        store.write(&now(0, 20));
        let staging = Origin::start();
        let flags = ["--target", &format!("staging={}", staging.url()), "--from", "earliest"];
        let follow = TestFollow::start(store, &flags);
        staging.wait_for(20);
        store.write(&now(20, 40));
        staging.wait_for(40);
        let report = follow.finish();
        assert_eq!(report.targets[0].ledger.state("answered"), 40, "{}", report.targets[0].ledger);

        store.write(&now(40, 50));
        let follow = TestFollow::start(store, &flags);
        staging.wait_for(50);
        let report = follow.finish();
        assert_eq!(report.targets[0].ledger.state("answered"), 10, "{}", report.targets[0].ledger);
        assert_eq!(paths(&staging), numbers(50));
    }

    fn a_recorder_and_a_follow_side_by_side_carry_traffic_on(store: &TestStore) {
        let (production, staging) = (Origin::start(), Origin::start());
        let recorder = TestRecorder::start(store, &production.url(), &[]);
        // The store is made by the first record.
        recorder.client().exchange("GET /first HTTP/1.1\r\nhost: a\r\n\r\n");
        recorder.until("the first record", |l| l.state("recorded") == 1);
        let target = format!("staging={}", staging.url());
        let follow = TestFollow::start(store, &["--target", &target, "--from", "earliest"]);
        staging.wait_for(1);
        let mut client = recorder.client();
        for i in 0..30 {
            client.exchange(format!("GET /{i} HTTP/1.1\r\nhost: a\r\n\r\n"));
        }
        staging.wait_for(31);
        drop(client);
        assert_eq!(recorder.drain().state("recorded"), 31);
        follow.finish();
        assert_eq!(paths(&staging)[..30], numbers(30));
        assert_eq!(staging.requests().len(), 31);
    }

    fn a_slow_target_holds_back_only_itself(store: &TestStore) {
        store.write(&now(0, 30));
        let fast = Origin::start();
        let gate = Arc::new(Gate::default());
        let held = Arc::clone(&gate);
        let slow = Origin::with(move |_| {
            Answer::unread().wait(&held).then(Answer::ok("late"))
        });
        let follow = TestFollow::start(store, &[
            "--target", &format!("slow={}", slow.url()), "--target", &format!("fast={}", fast.url()),
            "--from", "earliest", "--connections", "2", "--timeout", "1m",
        ]);
        fast.wait_for(30);
        assert_eq!(slow.requests().len(), 0);
        gate.open();
        slow.wait_for(30);
        follow.finish();
        assert_eq!((paths(&fast), paths(&slow)), (numbers(30), numbers(30)));
    }
}

#[test]
fn what_is_older_than_asked_is_skipped_and_counted() {
    let store = TestStore::sqlite();
    let old = Timestamp::now().before(Duration::from_secs(3600));
    store.write(&(0..5).map(|i| get(old, &format!("/old{i}"))).collect::<Vec<_>>());
    store.write(&now(0, 3));
    let staging = Origin::start();
    let target = format!("staging={}", staging.url());
    let follow = TestFollow::start(&store, &["--target", &target, "--from", "earliest", "--max-lag", "10m"]);
    staging.wait_for(3);
    let report = follow.finish();
    assert_eq!(report.targets[0].ledger.reason("skipped", "too_old"), 5, "{}", report.targets[0].ledger);
    assert_eq!(paths(&staging), numbers(3));
}

#[test]
fn a_target_that_comes_late_gets_what_waited_for_it() {
    let store = TestStore::sqlite();
    let first = Origin::start();
    let target = format!("staging={}", first.url());
    store.write(&now(0, 1));
    let follow = TestFollow::start(&store, &["--target", &target, "--from", "earliest"]);
    first.wait_for(1);
    follow.finish();
    store.write(&now(1, 6));
    let second = Origin::start();
    let moved = format!("staging={}", second.url());
    let follow = TestFollow::start(&store, &["--target", &moved, "--from", "latest"]);
    second.wait_for(5);
    follow.finish();
    eventually("everything once", || paths(&second) == (1..6).map(|i| format!("/{i}")).collect::<Vec<_>>());
}
