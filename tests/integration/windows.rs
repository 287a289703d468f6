//! Windows of a real log: long, expired in part, with gaps and markers, read by several processes, sent several times.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use umbra_common::codec;
use umbra_common::exchange::Exchange;
use umbra_common::store::{KafkaUrl, StoreConfig, StoreUrl};
use umbra_common::time::Timestamp;
use umbra_tests::chaos::Mode;
use umbra_tests::exchanges::get;
use umbra_tests::kafka::Broker;
use umbra_tests::origin::Origin;
use umbra_tests::process::Process;
use umbra_tests::receiver::Receiver;
use umbra_tests::replayer::replay;
use umbra_tests::stores::{TestStore, write_raw};
use umbra_tests::wait::eventually;

use crate::both_stores::on_both_stores;
use crate::programs::replayer;

/// `count` requests `/0`, `/1`, …, so long apart, the last one a minute ago.
pub(crate) fn sequence(count: u64, apart: Duration) -> Vec<Exchange> {
    let first = Timestamp::now().before(Duration::from_secs(60) + apart * u32::try_from(count).unwrap());
    (0..count).map(|i| get(first.after(apart * u32::try_from(i).unwrap()), &format!("/{i}"))).collect()
}

pub(crate) fn counts(receiver: &Receiver) -> BTreeMap<u64, u32> {
    receiver.multiset().into_iter().map(|(kind, count)| (kind.target[1..].parse().unwrap(), count)).collect()
}

pub(crate) fn each(times: u32, count: u64) -> BTreeMap<u64, u32> {
    (0..count).map(|i| (i, times)).collect()
}

pub(crate) fn url(store: &TestStore) -> KafkaUrl {
    let StoreUrl::Kafka(url) = store.config().url else { panic!("a kafka store") };
    url
}

pub(crate) fn client(store: &TestStore) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", url(store).brokers);
    config
}

pub(crate) fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn start(store: &str, receiver: &Receiver, flags: &[&str]) -> Process {
    let target = format!("staging={}", receiver.url());
    let own = ["replay", "--store", store, "--target", &target, "--from", "-1day", "--to", "+1h"];
    replayer(&[&own[..], flags].concat())
}

/// Removes what is oldest, as retention does.
fn expire(store: &TestStore, count: i64) {
    if let StoreUrl::Sqlite(url) = store.config().url {
        let file = rusqlite::Connection::open(url.path).unwrap();
        file.execute("DELETE FROM exchanges WHERE seq <= ?1", [count]).unwrap();
        return;
    }
    let admin: AdminClient<DefaultClientContext> = client(store).create().unwrap();
    let mut upto = TopicPartitionList::new();
    // A third of the records, of each of the three partitions.
    (0..3).for_each(|p| upto.add_partition_offset(&url(store).topic, p, Offset::Offset(count / 3)).unwrap());
    run(admin.delete_records(&upto, &AdminOptions::new())).unwrap();
}

on_both_stores! {
    fn a_window_that_has_expired_in_part_is_refused_unless_that_is_meant(store: &TestStore) {
        store.write(&sequence(300, Duration::from_millis(1)));
        expire(store, 30);
        let receiver = Receiver::start();
        let refused = start(store.url(), &receiver, &["--rate", "max"]).finish().expect(2).stderr;
        for said in ["has expired in part", "what is left of it begins at 20", "--allow-partial"] {
            assert!(refused.contains(said), "'{said}' is not in: {refused}");
        }
        assert_eq!(receiver.count(), 0);
        start(store.url(), &receiver, &["--rate", "max", "--allow-partial"]).finish().expect(0);
        assert_eq!(receiver.count(), 270);
    }

    fn a_window_goes_round_without_a_seam(store: &TestStore) {
        store.write(&sequence(10, Duration::from_millis(20)));
        let staging = Origin::start();
        let target = format!("b={}", staging.url());
        let report = replay(store, &["--target", &target, "--loop", "3", "--connections", "1"]);
        let came: Vec<_> = staging.wait_for(30).iter().map(|r| r.head.target().escape_ascii().to_string()).collect();
        let round: Vec<_> = (0..10).map(|i| format!("/{i}")).collect();
        assert_eq!(came, [&round[..], &round, &round].concat());
        // 29 gaps of 20 ms: the seams are gaps like any other.
        assert!((0.58..5.0).contains(&report.seconds), "{} s", report.seconds);
        assert_eq!(report.targets[0].ledger.state("answered"), 30);
    }

    fn a_window_is_sent_for_as_long_as_asked(store: &TestStore) {
        store.write(&sequence(10, Duration::from_millis(20)));
        let staging = Origin::start();
        let report = replay(store, &["--target", &format!("b={}", staging.url()), "--loop", "for=500ms"]);
        // One each 20 ms, and none that is due at 500 ms or later.
        assert_eq!(report.targets[0].ledger.state("answered"), 25, "{}", report.targets[0].ledger);
        assert!(report.targets[0].ledger.reason("skipped", "after_end") > 0, "{}", report.targets[0].ledger);
        assert_eq!(staging.wait_for(25).len(), 25);
    }

    fn a_window_of_one_goes_round_and_one_of_none_does_not(store: &TestStore) {
        let at = Timestamp::now().before(Duration::from_secs(60));
        store.write(&[get(at, "/0")]);
        let receiver = Receiver::start();
        let window = |from: u64, to: u64| [at.before(Duration::from_millis(from)), at.after(Duration::from_millis(to))];
        let run = |[from, to]: [Timestamp; 2], flags: &[&str]| {
            let (from, to) = (from.to_string(), to.to_string());
            let target = format!("staging={}", receiver.url());
            let own = ["replay", "--store", store.url(), "--target", &target, "--from", &from, "--to", &to];
            replayer(&[&own[..], flags].concat()).finish()
        };
        // A round of one is as long as the window: 100 ms.
        run(window(0, 100), &["--loop", "for=450ms"]).expect(0);
        assert_eq!(receiver.count(), 5);
        run(window(0, 100), &["--loop", "3", "--rate", "max"]).expect(0);
        assert_eq!(receiver.count(), 8);
        // Whatever the pace, it ends.
        run(window(0, 100), &["--loop", "for=200ms", "--rate", "max"]).expect(0);
        let count = receiver.count();
        assert!(count > 8);
        run(window(100, 0), &["--loop", "for=10m"]).expect(3);
        run(window(100, 0), &["--loop", "5", "--rate", "6/m"]).expect(3);
        assert_eq!(receiver.count(), count);
    }

    fn a_killed_job_goes_on_in_its_round(store: &TestStore) {
        store.write(&sequence(400, Duration::from_millis(1)));
        let receiver = Receiver::start();
        let flags = ["--job", "round", "--loop", "4", "--connections", "4"];
        let name = format!("round-{:08x}", fastrand::u32(..));
        let flags = flags.map(|flag| if flag == "round" { name.as_str() } else { flag });
        let process = start(store.url(), &receiver, &flags);
        receiver.wait_for(fastrand::usize(450..1400));
        process.signal("KILL");
        process.finish();
        start(store.url(), &receiver, &[&flags[..], &["--resume"]].concat()).finish().expect(0);
        let counts = counts(&receiver);
        assert!(counts.len() == 400 && counts.values().all(|n| *n >= 4), "some are missing: {counts:?}");
        let again: u32 = counts.values().map(|n| n - 4).sum();
        assert!(again <= 4, "{again} came once more than asked, 4 may");
    }
}

#[test]
fn four_processes_send_each_exchange_once_on_one_clock() {
    let store = TestStore::sqlite();
    store.write(&sequence(800, Duration::from_millis(1)));
    let receiver = Receiver::start();
    let at = Timestamp::now().after(Duration::from_secs(4));
    let (at_text, shards) = (at.to_string(), ["1/4", "2/4", "3/4", "4/4"]);
    let flags = |shard| ["--shard", shard, "--start-at", &at_text, "--job", "four", "--rate", "2000/s"];
    let processes = shards.map(|shard| start(store.url(), &receiver, &flags(shard)));
    receiver.wait_for(1);
    assert!(Timestamp::now() >= at, "something was sent before the start");
    for process in processes {
        process.finish().expect(0);
    }
    assert_eq!(counts(&receiver), each(1, 800));
    let shown = replayer(&["job", "show", "four", "--store", store.url(), "--output", "json"]).finish().expect(0);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!((shown["state"].as_str(), shown["lanes"].as_array().map(Vec::len)), (Some("done"), Some(4)), "{shown}");
}

/// By construction, not by the clock: what is read is the window and the slack around it.
#[test]
fn a_window_out_of_a_million_records_is_found_without_reading_them() {
    const BEFORE: i64 = 1_000_000;
    let store = TestStore::kafka();
    let window = sequence(200, Duration::from_millis(1));
    let old = window[0].arrival.before(Duration::from_secs(3600));
    // Makes the topic.
    store.write(&[get(old, "/old")]);
    let producer: BaseProducer =
        client(&store).set("linger.ms", "20").set("queue.buffering.max.messages", "500000").create().unwrap();
    let topic = url(&store).topic;
    for i in 0..BEFORE {
        let mut record = BaseRecord::<[u8], _>::to(&topic)
            .partition((i % 3) as i32)
            .payload("x")
            .timestamp(old.as_millis() + i / 1000);
        while let Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) = producer.send(record) {
            producer.poll(Duration::from_millis(5));
            record = back;
        }
    }
    producer.flush(Duration::from_secs(60)).unwrap();
    store.write(&window);
    let receiver = Receiver::start();
    let (from, to) = (window[0].arrival.to_string(), window[199].arrival.after(Duration::from_secs(1)).to_string());
    let target = format!("staging={}", receiver.url());
    let began = Instant::now();
    let report = store.directory().join("report.json");
    let process = replayer(&[
        "replay",
        "--store",
        store.url(),
        "--target",
        &target,
        "--from",
        &from,
        "--to",
        &to,
        "--rate",
        "max",
        "--report",
        report.to_str().unwrap(),
    ]);
    receiver.wait_for(1);
    println!("first shadow request {:?} after the start, behind {BEFORE} records", began.elapsed());
    process.finish().expect(0);
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let seen = report["targets"][0]["ledger"]["seen"].as_u64().unwrap();
    assert_eq!(receiver.count(), 200);
    assert!(seen <= 210, "{seen} records were read for a window of 200");
}

#[test]
fn what_a_transaction_leaves_in_the_log_is_passed_over() {
    let store = TestStore::kafka();
    let all = sequence(12, Duration::from_millis(1));
    store.write(&all[..4]);
    let topic = url(&store).topic;
    let producer: BaseProducer = client(&store).set("transactional.id", &topic).create().unwrap();
    let longest = Duration::from_secs(20);
    producer.init_transactions(longest).unwrap();
    for (part, is_kept) in [(&all[4..8], true), (&all[8..], false)] {
        producer.begin_transaction().unwrap();
        for exchange in part {
            let value = codec::encode(exchange);
            let record = BaseRecord::<[u8], _>::to(&topic).payload(&value).timestamp(exchange.arrival.as_millis());
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(longest).unwrap();
        if is_kept {
            producer.commit_transaction(longest).unwrap();
        } else {
            producer.abort_transaction(longest).unwrap();
        }
    }
    let receiver = Receiver::start();
    start(store.url(), &receiver, &["--rate", "max"]).finish().expect(0);
    assert_eq!(counts(&receiver), each(1, 8));
}

#[test]
fn partitions_that_come_later_are_not_in_the_plan() {
    let store = TestStore::kafka();
    store.write(&sequence(600, Duration::from_millis(2)));
    let receiver = Receiver::start();
    let name = format!("grown-{:08x}", fastrand::u32(..));
    let flags = ["--job", &name];
    let process = start(store.url(), &receiver, &flags);
    receiver.wait_for(100);
    process.signal("INT");
    process.finish().expect(130);
    let admin: AdminClient<DefaultClientContext> = client(&store).create().unwrap();
    let topic = url(&store).topic;
    let more = NewPartitions::new(&topic, 5);
    run(admin.create_partitions(&[more], &AdminOptions::new())).unwrap();
    eventually("five partitions", || {
        let late: Vec<_> = (0..40).map(|i| get(Timestamp::now(), &format!("/{}", 1000 + i))).collect();
        store.write(&late);
        true
    });
    start(store.url(), &receiver, &[&flags[..], &["--resume"]].concat()).finish().expect(0);
    assert_eq!(counts(&receiver), each(1, 600));
}

#[test]
fn a_broker_that_restarts_half_way_costs_nothing() {
    let mut broker = Broker::start();
    let config = StoreConfig::new(broker.topic("restart"));
    let all = sequence(3000, Duration::from_millis(1));
    write_raw(&config, all.iter().map(|e| (e.id, e.arrival, codec::encode(e))).collect());
    let receiver = Receiver::start();
    let process = start(&config.url.to_string(), &receiver, &["--job", "restart", "--rate", "1000/s"]);
    receiver.wait_for(500);
    broker.stop();
    broker.restart();
    process.finish().expect(0);
    assert_eq!(counts(&receiver), each(1, 3000));
}

#[test]
fn a_store_that_is_gone_ends_a_job_that_goes_on_later_within_its_bound() {
    const LONGEST: Duration = Duration::from_secs(90);
    let store = TestStore::kafka();
    let chaos = store.chaos();
    store.write(&sequence(3000, Duration::from_millis(1)));
    let receiver = Receiver::start();
    let name = format!("gone-{:08x}", fastrand::u32(..));
    let flags = ["--job", &name, "--rate", "1000/s", "--connections", "8"];
    let mut process = start(&store.url_through(&chaos), &receiver, &flags);
    receiver.wait_for(500);
    chaos.set(Mode::Cut);
    process.stderr_line("nothing new is sent until it does");
    let (sent, until) = (receiver.count(), Instant::now() + LONGEST);
    while process.is_running() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    process.finish().expect(1);
    assert!(receiver.count() <= sent + 8, "{} more were sent without a checkpoint", receiver.count() - sent);
    start(store.url(), &receiver, &[&flags[..], &["--resume"]].concat()).finish().expect(0);
    let counts = counts(&receiver);
    let twice: u32 = counts.values().map(|n| n - 1).sum();
    assert!(counts.len() == 3000 && twice <= 8, "{} came, {twice} twice", counts.len());
}
