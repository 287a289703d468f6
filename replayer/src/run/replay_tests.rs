//! Windows sent from SQLite to real servers.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Version;
use umbra_common::codec;
use umbra_common::exchange::{Body, Exchange, HttpVersion};

use super::replay;
use crate::command::ReplayConfig;
use crate::schedule::{Pace, Place};
use crate::stop::Stop;
use crate::target::Target;
use crate::testing::{Receiver, Recording, exchange};

fn every_millisecond(count: u64) -> Vec<Exchange> {
    (0..count).map(|i| exchange(&format!("/{i}"), Duration::from_millis(i))).collect()
}

fn config(recording: &Recording, targets: Vec<Target>) -> ReplayConfig {
    ReplayConfig {
        pacing: Pace::Max.into(),
        ..ReplayConfig::new(recording.store.clone(), Recording::window(), targets)
    }
}

#[test]
fn every_exchange_arrives_once_at_every_target() {
    let recording = Recording::of(&every_millisecond(500));
    let (a, b) = (Receiver::start(), Receiver::start());
    let report = replay(config(&recording, vec![a.target("a"), b.target("b")]), Stop::new()).unwrap();
    for (target, receiver) in report.targets.iter().zip([a, b]) {
        assert_eq!(target.ledger.to_string(), "seen 500 = answered 500");
        let mut paths: Vec<_> = receiver.received().into_iter().map(|r| r.target).collect();
        paths.sort_unstable();
        let mut expected: Vec<_> = (0..500).map(|i| format!("/{i}")).collect();
        expected.sort_unstable();
        assert_eq!(paths, expected);
        assert_eq!(target.status_changed, Some(0.0));
        assert_eq!(target.lag, None, "at max there is no schedule to be late for");
    }
}

#[test]
fn no_request_leaves_before_it_is_due() {
    let recording = Recording::of(&every_millisecond(200));
    let receiver = Receiver::start();
    for pace in
        [Pace::default(), Pace::Constant("1000/s".parse().unwrap()), Pace::Ramp("1/s..2000/s:200ms".parse().unwrap())]
    {
        let before = receiver.received().len();
        let start = Instant::now();
        let report = replay(
            ReplayConfig { pacing: pace.clone().into(), ..config(&recording, vec![receiver.target("a")]) },
            Stop::new(),
        )
        .unwrap();
        assert_eq!(report.targets[0].ledger.state("answered"), 200);
        assert!(report.targets[0].lag.is_some());
        let arrivals: Vec<_> = receiver.received()[before..].iter().map(|r| (r.target.clone(), r.at)).collect();
        for (path, at) in arrivals {
            let index: u64 = path[1..].parse().unwrap();
            let due = pace.due(Place { index, elapsed: Duration::from_millis(index) }).unwrap();
            assert!(at >= start + due, "{pace}: {path} came {:?} early", (start + due) - at);
        }
    }
}

#[test]
fn http2_and_grpc_go_as_http2_with_their_trailers() {
    let mut h2 = exchange("/h2", Duration::ZERO);
    h2.request.version = HttpVersion::Http2;
    h2.request.headers = [("accept", "*/*")].into_iter().collect();
    let mut grpc = exchange("/helloworld.Greeter/SayHello", Duration::from_millis(1));
    grpc.request.method = Bytes::from_static(b"POST");
    grpc.request.version = HttpVersion::Http2;
    grpc.request.headers = [("content-type", "application/grpc"), ("te", "trailers")].into_iter().collect();
    grpc.request.body = Body::whole(&b"\0\0\0\0\x05hello"[..]);
    grpc.request.trailers = [("x-end", "1")].into_iter().collect();
    let recording = Recording::of(&[h2, grpc, exchange("/h1", Duration::from_millis(2))]);
    let receiver = Receiver::start();
    let report = replay(config(&recording, vec![receiver.target("a")]), Stop::new()).unwrap();
    assert_eq!(report.targets[0].ledger.to_string(), "seen 3 = answered 3", "{report:?}");
    let received = receiver.received();
    let by_path = |path: &str| received.iter().find(|r| r.target.ends_with(path)).unwrap();
    assert_eq!(by_path("/h2").version, Version::HTTP_2);
    assert_eq!(by_path("/h2").target, "http://api.example.com-shadow/h2");
    assert_eq!(by_path("/h1").version, Version::HTTP_11);
    let call = by_path("/SayHello");
    assert_eq!(call.headers["te"], "trailers");
    assert_eq!(&call.body[..], b"\0\0\0\0\x05hello");
    assert_eq!(call.trailers.as_ref().unwrap()["x-end"], "1");
}

#[test]
fn a_target_that_is_slow_changes_nothing_for_another() {
    let recording = Recording::of(&every_millisecond(400));
    let fast = Receiver::start();
    let slow = Receiver::answering(Duration::from_millis(20), |_| http::Response::default());
    let mut config = config(&recording, vec![slow.target("slow"), fast.target("fast")]);
    config.pacing = Pace::default().into();
    config.sending.connections = 1;
    let report = replay(config, Stop::new()).unwrap();
    assert!(report.targets.iter().all(|t| t.ledger.state("answered") == 400));
    let last = |r: &Receiver| r.received().iter().map(|r| r.at).max().unwrap();
    // 400 answers of 20 ms each on one connection take eight seconds; the other is done with the schedule.
    assert!(last(&slow) - last(&fast) > Duration::from_secs(4));
    assert!(report.targets[0].lag.unwrap().max_ms > 4000.0);
}

#[test]
fn a_target_that_is_down_is_counted() {
    let recording = Recording::of(&every_millisecond(20));
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let report = replay(config(&recording, vec![format!("a=http://{gone}").parse().unwrap()]), Stop::new()).unwrap();
    assert_eq!(report.targets[0].ledger.to_string(), "seen 20 = failed{connect} 20");
    assert_eq!(report.targets[0].error_rate, Some(1.0));
    assert!(report.targets[0].failures[0].contains("refuses connections"), "{:?}", report.targets[0].failures);
}

#[test]
fn a_target_that_never_answers_ends_by_the_timeout() {
    let recording = Recording::of(&every_millisecond(3));
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("a=http://{}", silent.local_addr().unwrap()).parse().unwrap();
    let mut config = config(&recording, vec![target]);
    config.sending.timeout = Duration::from_millis(50);
    let report = replay(config, Stop::new()).unwrap();
    assert_eq!(report.targets[0].ledger.to_string(), "seen 3 = failed{timeout} 3");
}

#[test]
fn what_cannot_be_sent_is_counted_by_reason() {
    let mut truncated = exchange("/t", Duration::ZERO);
    truncated.request.body.truncated = true;
    let mut upgrade = exchange("/ws", Duration::from_millis(1));
    upgrade.request.headers =
        [("host", "a"), ("connection", "Upgrade"), ("upgrade", "websocket")].into_iter().collect();
    let good = exchange("/good", Duration::from_millis(2));
    let garbage = (good.id, good.arrival, b"garbage".to_vec());
    let records = [truncated, upgrade, good].map(|e| (e.id, e.arrival, codec::encode(&e)));
    let recording = Recording::raw(records.into_iter().chain([garbage]));
    let receiver = Receiver::start();
    let report = replay(config(&recording, vec![receiver.target("a")]), Stop::new()).unwrap();
    let ledger = report.targets[0].ledger.to_string();
    assert_eq!(ledger, "seen 4 = answered 1 + skipped{undecodable} 1 + skipped{truncated} 1 + skipped{unsendable} 1");
}

#[test]
fn shards_send_each_exchange_once_on_one_timetable() {
    let recording = Recording::of(&every_millisecond(100));
    let receiver = Receiver::start();
    for shard in ["1/3", "2/3", "3/3"] {
        let config = ReplayConfig { shard: shard.parse().ok(), ..config(&recording, vec![receiver.target("a")]) };
        let report = replay(config, Stop::new()).unwrap();
        assert!(report.targets[0].ledger.reason("skipped", "other_shard") > 0);
    }
    let mut paths: Vec<_> = receiver.received().into_iter().map(|r| r.target).collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!((paths.len(), receiver.received().len()), (100, 100));
}

#[test]
fn the_recorded_upstream_is_sent_nothing() {
    let receiver = Receiver::start();
    let mut production = exchange("/", Duration::ZERO);
    production.upstream = format!("http://{}", receiver.address).into();
    let recording = Recording::of(&[production]);
    let mut config = config(&recording, vec![receiver.target("a")]);
    let refused = replay(config.clone(), Stop::new()).unwrap();
    assert!(refused.error.unwrap().contains("--allow-production-target"));
    assert_eq!(receiver.received().len(), 0);
    config.sending.allow_production_target = true;
    assert_eq!(replay(config, Stop::new()).unwrap().error, None);
    assert_eq!(receiver.received().len(), 1);
}

#[test]
fn a_stop_finishes_what_is_in_flight_and_counts_the_rest() {
    let recording = Recording::of(&every_millisecond(5000));
    let receiver = Receiver::answering(Duration::from_millis(100), |_| http::Response::default());
    let stop = Stop::new();
    let config = ReplayConfig { pacing: Pace::default().into(), ..config(&recording, vec![receiver.target("a")]) };
    let running = std::thread::spawn({
        let stop = stop.clone();
        move || replay(config, stop)
    });
    let deadline = Instant::now() + Duration::from_secs(10);
    while receiver.received().is_empty() && Instant::now() < deadline {
        std::thread::yield_now();
    }
    stop.stop();
    let report = running.join().unwrap().unwrap();
    let ledger = &report.targets[0].ledger;
    assert!(report.interrupted && ledger.balances(), "{ledger}");
    assert_eq!(ledger.state("answered"), receiver.received().len() as u64);
    assert!(ledger.reason("dropped", "interrupted") > 0);
    assert_eq!(ledger.reason("dropped", "abandoned"), 0);
}
