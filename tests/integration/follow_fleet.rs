//! `follow` by several replicas: one rate for all of them, whoever comes and goes; and its distance behind the log.

use std::time::{Duration, Instant};

use umbra_common::time::Timestamp;
use umbra_tests::arrivals::Arrivals;
use umbra_tests::exchanges::get;
use umbra_tests::kafka::Kafka;
use umbra_tests::replayer::TestFollow;
use umbra_tests::stores::{TestStore, write_raw};
use umbra_tests::wait::{eventually, eventually_some};

use umbra_common::codec;
use umbra_common::store::StoreConfig;

use crate::both_stores::on_both_stores;
use crate::controlled::Controlled;

const SECOND: Duration = Duration::from_secs(1);
/// What the whole fleet may send.
const RATE: f64 = 60.0;
/// How long a rebalance may disturb it.
const REBALANCE: Duration = Duration::from_secs(3);
/// How long it is looked at then.
const LOOK: Duration = Duration::from_secs(5);

fn share(replica: &Controlled) -> f64 {
    replica.status()["targets"][0]["share"].as_f64().unwrap_or(0.0)
}

/// Waits until the fleet has shared all partitions evenly; then looks at what it sends.
#[track_caller]
fn fleet_keeps_its_rate(replicas: &[Controlled], receiver: &Arrivals) {
    eventually(&format!("{} replicas that share alike", replicas.len()), || {
        let shares: Vec<f64> = replicas.iter().map(share).collect();
        shares.iter().all(|share| (share * replicas.len() as f64 - 1.0).abs() < 1e-9)
    });
    let from = Instant::now() + REBALANCE;
    eventually("some seconds of traffic", || receiver.all().last().is_some_and(|last| last.at > from + LOOK));
    let rate = receiver.between(from, LOOK) as f64 / LOOK.as_secs_f64();
    // Where other tests keep the machine busy, the receiver sees some of it late, in this window or the next: this tells
    // one rate for all from one for each. `umbra-bench follow` measures it to the per cent.
    assert!((0.5 * RATE..=1.5 * RATE).contains(&rate), "{} replicas send {rate}/s of {RATE}/s", replicas.len());
    let shares: f64 = replicas.iter().map(share).sum();
    assert!((shares - 1.0).abs() < 1e-9, "the shares add up to {shares}");
}

#[test]
fn one_rate_is_shared_by_one_four_and_two_replicas() {
    let config = StoreConfig::new(Kafka::shared().topic_with("fleet", 12));
    let url = config.url.to_string();
    let arrival = Timestamp::now().before(60 * SECOND);
    // Minutes of it, so that a busy machine has some to the end.
    let records = (0..30_000).map(|n| get(arrival, &format!("/{n}")));
    write_raw(&config, records.map(|e| (e.id, e.arrival, codec::encode(&e))).collect());
    let receiver = Arrivals::start();
    let target = receiver.target("fleet");
    let rate = format!("{RATE}/s");
    let flags = ["follow", "--store", &url, "--target", &target, "--from", "earliest", "--rate", &rate];
    let mut replicas = vec![Controlled::start(&flags)];
    fleet_keeps_its_rate(&replicas, &receiver);
    replicas.extend((0..3).map(|_| Controlled::start(&flags)));
    fleet_keeps_its_rate(&replicas, &receiver);
    for replica in replicas.drain(2..) {
        replica.signal("TERM");
        replica.finish().expect(130);
    }
    fleet_keeps_its_rate(&replicas, &receiver);
    for replica in replicas {
        replica.signal("TERM");
        replica.finish().expect(130);
    }
}

on_both_stores! {
    fn a_tail_is_followed_at_a_fixed_distance_with_its_own_gaps(store: &TestStore) {
        const DELAY: Duration = Duration::from_secs(3);
        let receiver = Arrivals::start();
        let target = receiver.target("late");
        // One whose time has come says that following has begun.
        store.write(&[get(Timestamp::now().before(DELAY), "/first")]);
        let follow = TestFollow::start(store, &["--target", &target, "--from", "earliest", "--delay", "3s"]);
        receiver.wait_for(1);
        let (first, begun) = (Timestamp::now(), Instant::now());
        let gap = |n: u32| Duration::from_millis(40) * n + if n >= 10 { SECOND } else { Duration::ZERO };
        // Written in one go, as a log is read in chunks; of several partitions in any order.
        store.write(&(0..20).map(|n| get(first.after(gap(n)), &format!("/{n}"))).collect::<Vec<_>>());
        receiver.wait_for(21);
        let report = follow.finish();
        for (n, arrival) in (0..).zip(&receiver.all()[1..]) {
            assert_eq!(arrival.target, format!("/{n}"), "out of order");
            assert!(arrival.at >= begun + DELAY + gap(n), "/{n} came early");
        }
        assert_eq!(report.targets[0].ledger.state("answered"), 21, "{}", report.targets[0].ledger);
        assert!(report.targets[0].lag.is_some(), "a fixed distance can be missed, and is looked at");
        assert_eq!(report.pace, "3s behind");
    }

    fn what_waited_for_its_time_is_sent_after_a_restart(store: &TestStore) {
        let now = Timestamp::now();
        let arrival = |n| if n < 10 { now.before(3600 * SECOND) } else { now };
        store.write(&(0..20).map(|n| get(arrival(n), &format!("/{n}"))).collect::<Vec<_>>());
        let receiver = Arrivals::start();
        let target = receiver.target("late");
        let flags = ["--target", &target, "--from", "earliest"];
        let follow = TestFollow::start(store, &[&flags[..], &["--delay", "30m"]].concat());
        receiver.wait_for(10);
        let ledger = &follow.finish().targets[0].ledger;
        assert_eq!(ledger.state("answered"), 10, "{ledger}");
        // They are not due for half an hour: only another distance can have sent them.
        let follow = TestFollow::start(store, &flags);
        let all = eventually_some("the rest", || {
            let mut all: Vec<u32> = receiver.all().iter().map(|a| a.target[1..].parse().unwrap()).collect();
            all.sort_unstable();
            all.dedup();
            (all.len() == 20).then_some(all)
        });
        follow.finish();
        assert_eq!(all, (0..20).collect::<Vec<u32>>());
    }
}
