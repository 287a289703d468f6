//! The pace of a window: what is due when, what may slow it down, and what becomes of what is late.

use std::time::{Duration, Instant};

use umbra_common::exchange::Exchange;
use umbra_common::time::Timestamp;
use umbra_replayer::ExitStatus;
use umbra_replayer::report::TargetReport;
use umbra_tests::arrivals::{Arrivals, Reply};
use umbra_tests::exchanges::get;
use umbra_tests::replayer::{replay, run};
use umbra_tests::stores::TestStore;

use crate::both_stores::on_both_stores;
use crate::programs::replayer;

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Requests `/0`, `/1`, … that arrived so long after an hour ago.
fn arrived(after: impl IntoIterator<Item = Duration>) -> Vec<Exchange> {
    let first = Timestamp::now().before(Duration::from_secs(20 * 3600));
    after.into_iter().enumerate().map(|(n, after)| get(first.after(after), &format!("/{n}"))).collect()
}

/// A store with so many requests, so far apart.
fn evenly(count: u32, apart: Duration) -> TestStore {
    let store = TestStore::sqlite();
    store.write(&arrived((0..count).map(|n| apart * n)));
    store
}

fn number(target: &str) -> u32 {
    target[1..].parse().unwrap()
}

/// Replays to one receiver; when that began, and what came of it.
fn sent(store: &TestStore, to: &Arrivals, flags: &[&str]) -> (Instant, TargetReport) {
    let begun = Instant::now();
    let mut report = replay(store, &[&["--target", &to.target("a")], flags].concat());
    (begun, report.targets.remove(0))
}

#[test]
fn steps_hold_each_rate_for_its_time() {
    let (store, receiver) = (evenly(60, Duration::ZERO), Arrivals::start());
    let (begun, report) = sent(&store, &receiver, &["--steps", "20/s:1s,80/s"]);
    assert_eq!(report.ledger.state("answered"), 60, "{}", report.ledger);
    for arrival in receiver.all() {
        let n = number(&arrival.target);
        let due = if n < 20 { 50 * MILLI * n } else { SECOND + 12 * MILLI * (n - 20) };
        assert!(arrival.at >= begun + due, "/{n} came {:?} early", begun + due - arrival.at);
    }
}

#[test]
fn a_cap_holds_at_any_pace() {
    for pace in [["--rate", "max"], ["--rate", "1000/s"], ["--speed", "1000x"]] {
        let (store, receiver) = (evenly(300, MILLI), Arrivals::start());
        let (begun, report) = sent(&store, &receiver, &[&pace[..], &["--max-rate", "200/s"]].concat());
        assert_eq!(report.ledger.state("answered"), 300, "{}", report.ledger);
        // 299 distances of 5 ms, less what a late wake-up is made good for.
        let last = receiver.all().last().unwrap().at - begun;
        assert!(last >= 1490 * MILLI, "{pace:?}: {last:?}");
        // A request leaves a moment after its turn: a few may fall into the next second.
        assert!(report.per_second.iter().all(|count| *count <= 205), "{pace:?}: {:?}", report.per_second);
    }
}

#[test]
fn a_target_that_stalls_is_not_sent_a_burst_afterwards() {
    // The first answer takes a second, in which 100 more requests become due.
    let receiver = Arrivals::answering(|n| if n == 0 { Reply { status: 200, after: SECOND } } else { Reply::OK });
    let store = evenly(150, 10 * MILLI);
    let flags = ["--speed", "1x", "--max-in-flight", "1", "--max-rate", "120/s"];
    let (_, report) = sent(&store, &receiver, &flags);
    assert_eq!(report.ledger.state("answered"), 150, "{}", report.ledger);
    let second = receiver.all()[1].at;
    let most = receiver.between(second, SECOND / 2);
    assert!(most <= 63, "{most} in half a second at a cap of 120/s");
    assert!(report.lag.unwrap().max_ms >= 900.0, "what waited is late, and said to be: {:?}", report.lag);
}

#[test]
fn what_is_behind_is_kept_or_dropped_as_asked_and_counted() {
    let stalling =
        || Arrivals::answering(|n| Reply { status: 200, after: if n == 0 { SECOND } else { Duration::ZERO } });
    let store = evenly(100, 10 * MILLI);
    let kept = stalling();
    let (_, report) = sent(&store, &kept, &["--max-in-flight", "1"]);
    assert_eq!(report.ledger.state("answered"), 100, "{}", report.ledger);
    assert!(report.lag.unwrap().max_ms >= 800.0, "{:?}", report.lag);
    let dropping = stalling();
    let (_, report) = sent(&store, &dropping, &["--max-in-flight", "1", "--behind", "drop:100ms"]);
    let (answered, behind) = (report.ledger.state("answered"), report.ledger.reason("skipped", "behind"));
    assert_eq!(answered + behind, 100, "{}", report.ledger);
    // Of those due within the second, all but the last 100 ms.
    assert!(behind >= 85, "{}", report.ledger);
}

#[test]
fn no_more_are_in_flight_than_asked_over_either_protocol() {
    let store = evenly(60, Duration::ZERO);
    for protocol in ["h1", "h2"] {
        let slow = Arrivals::answering(|_| Reply { status: 200, after: 5 * MILLI });
        let flags = ["--rate", "max", "--protocol", protocol, "--max-in-flight", "3", "--connections", "20"];
        sent(&store, &slow, &flags);
        assert_eq!((slow.count(), slow.most_in_flight()), (60, 3), "{protocol}");
    }
    // A connection carries one HTTP/1.1 request at a time, and any number of HTTP/2.
    for (protocol, most) in [("h1", 2), ("h2", 9)] {
        let slow = Arrivals::answering(|_| Reply { status: 200, after: 20 * MILLI });
        let flags = ["--rate", "max", "--protocol", protocol, "--max-in-flight", "9", "--connections", "2"];
        sent(&store, &slow, &flags);
        assert_eq!(slow.most_in_flight(), most, "{protocol}");
    }
}

#[test]
fn long_gaps_are_shortened_alike_for_all_shards() {
    const GAP: Duration = Duration::from_secs(3600);
    // Three groups of 20, an hour apart.
    let store = TestStore::sqlite();
    store.write(&arrived((0..60).map(|n| GAP * (n / 20) + MILLI * (n % 20))));
    let window = ["--store", store.url(), "--from", "-1day", "--to", "now", "--skip-gaps", "1s"];
    let (status, said) = run(&[&["plan"], &window[..]].concat());
    assert_eq!(status, ExitStatus::Done);
    assert!(said.contains("gaps shortened by 1h59m57s962ms") && said.contains("it would take 2s57ms"), "{said}");

    let receiver = Arrivals::start();
    let target = receiver.target("a");
    let shards = ["1/2", "2/2"].map(|shard| {
        let own = ["--target", &target, "--shard", shard, "--start-at", "+2s"];
        replayer(&[&["replay"], &window[..], &own].concat())
    });
    for shard in shards {
        shard.finish().expect(0);
    }
    let order: Vec<u32> = receiver.all().iter().map(|arrival| number(&arrival.target) / 20).collect();
    assert_eq!(order.len(), 60);
    assert!(order.is_sorted(), "one shard was a gap ahead of the other: {order:?}");
}

#[test]
fn only_a_gap_that_all_partitions_have_is_one() {
    const HOUR: Duration = Duration::from_secs(3600);
    // Each session is silent before and after its one request, and so are the partitions, in turns; all are from 4 to 7.
    let store = TestStore::kafka();
    let mut all = arrived([0, 1, 2, 3, 4, 7].map(|hours| HOUR * hours));
    all.iter_mut().enumerate().for_each(|(n, exchange)| exchange.session = vec![n as u8].into());
    store.write(&all);
    let window = ["plan", "--store", store.url(), "--from", "-1day", "--to", "now"];
    let (status, said) = run(&[&window[..], &["--skip-gaps", "2h"]].concat());
    assert_eq!(status, ExitStatus::Done);
    assert!(said.contains("gaps shortened by 1h") && said.contains("it would take 6h"), "{said}");
}

on_both_stores! {
    fn nothing_is_waited_for_behind_the_last_request(store: &TestStore) {
        /// The next slot's at the rate below.
        const SLOT: f64 = 10.0;
        store.write(&arrived([Duration::ZERO]));
        let receiver = Arrivals::start();
        let target = receiver.target("a");
        let each_flag = [&["--shard", "1/2"][..], &["--shard", "2/2"], &["--max-rate", "6/m"], &["--loop", "1"]];
        for flags in each_flag {
            let report = replay(store, &[&["--target", &target, "--rate", "6/m"], flags].concat());
            assert!(report.seconds < SLOT, "{flags:?}: {} s", report.seconds);
            let ledger = &report.targets[0].ledger;
            assert_eq!(ledger.state("answered") + ledger.reason("skipped", "other_shard"), 1, "{ledger}");
        }
        assert_eq!(receiver.count(), 3);
        let none = ["--target", &target, "--rate", "6/m", "--where", "method == 'POST'"];
        let report = replay(store, &none);
        assert_eq!(report.targets[0].ledger.state("answered"), 0);
        assert!(report.seconds < SLOT, "{} s", report.seconds);
    }
}

#[test]
fn a_target_that_breaks_a_goal_is_sent_less_until_it_keeps_it() {
    // It fails for the first 120 requests and is well then.
    let receiver = Arrivals::answering(|n| Reply { status: if n < 120 { 503 } else { 200 }, after: Duration::ZERO });
    let store = evenly(260, 10 * MILLI);
    let file = store.directory().join("report.json").display().to_string();
    let target = receiver.target("a");
    let window = ["replay", "--store", store.url(), "--from", "-1day", "--to", "now", "--target", &target];
    let finished =
        replayer(&[&window[..], &["--pace-with", "errors<10%", "--report", &file]].concat()).finish().expect(0);
    assert!(finished.stderr.contains("the target breaks a goal of --pace-with"), "{}", finished.stderr);
    assert!(finished.stdout.contains("spared by --pace-with: lowered"), "{}", finished.stdout);
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let target = &report["targets"][0];
    assert_eq!(target["ledger"]["answered"], 260, "{target}");
    assert!(target["spared"]["lowered"].as_u64().unwrap() >= 1, "{target}");
    assert!(target["spared"]["lowest_rate"].as_f64().unwrap() <= 72.0, "{target}");
    // 2.6 s as recorded. What was spared moves the rest of the schedule and is not caught up with.
    assert!(report["seconds"].as_f64().unwrap() >= 2.9, "{report}");
    let counts: Vec<u64> = target["per_second"].as_array().unwrap().iter().filter_map(|n| n.as_u64()).collect();
    assert!(counts.iter().all(|count| *count <= 103), "{counts:?}");
}
