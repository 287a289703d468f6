//! The live tail of a SQLite store, followed to real servers.

use std::time::{Duration, Instant};

use umbra_common::codec;
use umbra_common::exchange::Exchange;
use umbra_common::store::Start;

use super::follow;
use crate::command::FollowConfig;
use crate::report::Report;
use crate::stop::Stop;
use crate::testing::{Receiver, Recording, exchange};

fn some(range: std::ops::Range<u64>) -> Vec<Exchange> {
    range.map(|i| exchange(&format!("/{i}"), Duration::from_millis(i))).collect()
}

fn append(recording: &Recording, exchanges: &[Exchange]) {
    recording.append(exchanges.iter().map(|e| (e.id, e.arrival, codec::encode(e))));
}

struct Following {
    stop: Stop,
    run: std::thread::JoinHandle<Report>,
}

impl Following {
    fn start(config: FollowConfig) -> Self {
        let stop = Stop::new();
        let run = std::thread::spawn({
            let stop = stop.clone();
            move || follow(config, stop).unwrap()
        });
        Self { stop, run }
    }

    fn end(self) -> Report {
        self.stop.stop();
        self.run.join().unwrap()
    }
}

fn eventually(what: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !what() {
        assert!(Instant::now() < deadline, "not in time");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn config(recording: &Recording, receiver: &Receiver) -> FollowConfig {
    FollowConfig { from: Start::Earliest, ..FollowConfig::new(recording.store.clone(), vec![receiver.target("a")]) }
}

#[test]
fn a_restart_goes_on_where_the_target_was() {
    let recording = Recording::of(&some(0..50));
    let receiver = Receiver::start();
    let first = Following::start(config(&recording, &receiver));
    eventually(|| receiver.received().len() == 50);
    append(&recording, &some(50..60));
    eventually(|| receiver.received().len() == 60);
    let report = first.end();
    assert_eq!(report.targets[0].ledger.to_string(), "seen 60 = answered 60");
    append(&recording, &some(60..70));
    let second = Following::start(config(&recording, &receiver));
    eventually(|| receiver.received().len() >= 70);
    assert_eq!(second.end().targets[0].ledger.to_string(), "seen 10 = answered 10");
    let mut paths: Vec<_> = receiver.received().into_iter().map(|r| r.target).collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!((paths.len(), receiver.received().len()), (70, 70));
}

#[test]
fn what_was_in_the_queue_at_a_stop_is_sent_after_the_restart() {
    let recording = Recording::of(&some(0..40));
    let receiver = Receiver::answering(Duration::from_millis(5), |_| http::Response::default());
    let mut slow = config(&recording, &receiver);
    slow.sending.connections = 1;
    let first = Following::start(slow);
    eventually(|| receiver.received().len() > 3);
    let report = first.end();
    let ledger = &report.targets[0].ledger;
    assert!(ledger.balances() && report.interrupted);
    let answered = ledger.state("answered");
    assert!(answered < 40 && ledger.reason("dropped", "interrupted") == ledger.seen - answered, "{ledger}");
    let second = Following::start(config(&recording, &receiver));
    eventually(|| receiver.received().len() >= 40);
    second.end();
    let mut paths: Vec<_> = receiver.received().into_iter().map(|r| r.target).collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!((paths.len(), receiver.received().len()), (40, 40), "nothing is lost, and nothing sent twice");
}

#[test]
fn a_target_that_is_down_is_waited_for() {
    let recording = Recording::of(&some(0..20));
    let place = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = place.local_addr().unwrap();
    drop(place);
    let target = format!("a=http://{address}").parse().unwrap();
    let other = Receiver::start();
    let targets = vec![target, other.target("b")];
    let config = FollowConfig { from: Start::Earliest, ..FollowConfig::new(recording.store.clone(), targets) };
    let first = Following::start(config.clone());
    eventually(|| other.received().len() == 20);
    let report = first.end();
    let ledger = &report.targets[0].ledger;
    assert_eq!((ledger.state("failed"), ledger.reason("dropped", "interrupted")), (0, ledger.seen), "{ledger}");
    let second = Following::start(config);
    let receiver = Receiver::at(address);
    eventually(|| receiver.received().len() == 20);
    assert_eq!(second.end().targets[0].ledger.to_string(), "seen 20 = answered 20");
}

#[test]
fn what_is_too_old_is_skipped_and_counted() {
    let recording = Recording::of(&some(0..5));
    let receiver = Receiver::start();
    let following =
        Following::start(FollowConfig { max_lag: Some(Duration::from_secs(60)), ..config(&recording, &receiver) });
    let mut fresh = exchange("/fresh", Duration::ZERO);
    fresh.arrival = umbra_common::time::Timestamp::now();
    append(&recording, &[fresh]);
    eventually(|| receiver.received().len() == 1);
    let report = following.end();
    assert_eq!(report.targets[0].ledger.to_string(), "seen 6 = answered 1 + skipped{too_old} 5");
    assert_eq!(receiver.received()[0].target, "/fresh");
}

#[test]
fn a_cap_spreads_what_has_piled_up() {
    let recording = Recording::of(&some(0..60));
    let receiver = Receiver::start();
    let began = Instant::now();
    let following = Following::start(FollowConfig { rate: "200/s".parse().ok(), ..config(&recording, &receiver) });
    eventually(|| receiver.received().len() == 60);
    following.end();
    let took = receiver.received().iter().map(|r| r.at).max().unwrap() - began;
    // 60 at 200/s, of which two may go at once.
    assert!(took >= Duration::from_millis(285), "{took:?}");
}
