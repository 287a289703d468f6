//! Which requests are recorded: nested, by key, and never those of a replayer.

use std::collections::BTreeSet;

use umbra_common::fraction::Fraction;
use umbra_tests::origin::Origin;
use umbra_tests::recorder::TestRecorder;
use umbra_tests::replayer::replay;
use umbra_tests::stores::TestStore;

use crate::both_stores::on_both_stores;

/// The users whose requests a recorder with these flags takes, out of 400 with two requests each.
fn recorded_users(flags: &[&str]) -> BTreeSet<String> {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), flags);
    let mut client = recorder.client();
    for turn in 0..2 {
        for user in 0..400 {
            client.exchange(format!("GET /{user}/{turn} HTTP/1.1\r\nhost: a\r\nx-user: u{user}\r\n\r\n"));
        }
    }
    drop(client);
    let ledger = recorder.drain();
    assert_eq!((ledger.seen, origin.requests().len()), (800, 800), "sampling changes no request");
    assert_eq!(ledger.state("recorded") + ledger.state("sampled_out"), 800, "{ledger}");
    let exchanges = store.exchanges();
    assert_eq!(exchanges.len() as u64, ledger.state("recorded"));
    exchanges.iter().map(|e| String::from_utf8_lossy(e.request.headers.get("x-user").unwrap()).into_owned()).collect()
}

#[test]
fn a_small_sample_by_key_lies_inside_a_larger_one() {
    let by = |percent| recorded_users(&["--sample", percent, "--sample-by", "header:x-user"]);
    let (tenth, half) = (by("10%"), by("50%"));
    assert!(tenth.is_subset(&half), "{:?}", tenth.difference(&half).collect::<Vec<_>>());
    // Six standard deviations around 40 and 200 of 400.
    assert!((4..=76).contains(&tenth.len()) && (140..=260).contains(&half.len()), "{} {}", tenth.len(), half.len());
}

#[test]
fn a_key_is_recorded_whole_or_not_at_all() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &["--sample", "30%", "--sample-by", "cookie:sid"]);
    let mut client = recorder.client();
    for turn in 0..3 {
        for user in 0..100 {
            client.exchange(format!("GET /{user}?{turn} HTTP/1.1\r\nhost: a\r\ncookie: a=b; sid=s{user}\r\n\r\n"));
        }
    }
    drop(client);
    recorder.drain();
    let exchanges = store.exchanges();
    let mut paths: Vec<_> = exchanges.iter().map(|e| e.request.path().to_vec()).collect();
    paths.sort();
    assert!(!paths.is_empty() && paths.len() < 300);
    assert!(paths.chunk_by(|a, b| a == b).all(|same| same.len() == 3), "a session was recorded in parts");
    assert!(exchanges.iter().all(|e| e.sampled_at == "30%".parse::<Fraction>().unwrap()));
}

#[test]
fn nothing_is_recorded_at_zero_and_each_request_is_counted() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &["--sample", "0%"]);
    let mut client = recorder.client();
    for _ in 0..10 {
        client.exchange("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    drop(client);
    let ledger = recorder.drain();
    assert_eq!((ledger.seen, ledger.state("sampled_out")), (10, 10), "{ledger}");
}

on_both_stores! {
    fn a_replay_to_the_recorder_that_recorded_it_reaches_no_origin(store: &TestStore) {
        let production = Origin::start();
        let recorder = TestRecorder::start(store, &production.url(), &[]);
        let mut client = recorder.client();
        for i in 0..10 {
            client.exchange(format!("GET /{i} HTTP/1.1\r\nhost: a\r\n\r\n"));
        }
        recorder.until("they are recorded", |ledger| ledger.state("recorded") == 10);
        let target = format!("staging={}", recorder.url());
        let report = replay(store, &["--target", &target, "--rate", "max"]);
        assert_eq!(report.targets[0].statuses.get(&421), Some(&10), "{:?}", report.targets[0].statuses);
        assert_eq!(production.begun(), 10, "production got its own traffic again");
        let meant = replay(store, &["--target", &target, "--rate", "max", "--allow-production-target"]);
        assert_eq!(meant.targets[0].statuses.get(&200), Some(&10), "{:?}", meant.targets[0].statuses);
        let ledger = recorder.drain();
        assert_eq!((ledger.reason("skipped", "refused"), ledger.reason("skipped", "marked")), (10, 10), "{ledger}");
    }

    fn a_replay_through_a_recorder_is_not_recorded_again(store: &TestStore) {
        let origin = Origin::start();
        let first = TestRecorder::start(store, &origin.url(), &[]);
        let mut client = first.client();
        for i in 0..10 {
            client.exchange(format!("GET /{i} HTTP/1.1\r\nhost: a\r\n\r\n"));
        }
        drop(client);
        first.drain();

        let staging = Origin::start();
        let second = TestRecorder::start(store, &staging.url(), &[]);
        let report = replay(store, &["--target", &format!("staging={}", second.url()), "--rate", "max"]);
        assert_eq!(report.targets[0].ledger.state("answered"), 10);
        assert_eq!(staging.wait_for(10).len(), 10, "a marked request is served like any other");
        let ledger = second.drain();
        assert_eq!((ledger.seen, ledger.reason("skipped", "marked")), (10, 10), "{ledger}");
        assert_eq!(store.exchanges().len(), 10);
    }
}
