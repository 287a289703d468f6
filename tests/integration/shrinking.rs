//! Logs that lose records, or get partitions, while they are read.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;
use umbra_common::codec;
use umbra_common::exchange::Exchange;
use umbra_common::store::{KafkaUrl, StoreUrl};
use umbra_common::time::Timestamp;
use umbra_tests::exchanges::get;
use umbra_tests::process::Process;
use umbra_tests::receiver::Receiver;
use umbra_tests::stores::{TestStore, write_raw};
use umbra_tests::wait::eventually;

use crate::both_stores::on_both_stores;
use crate::controlled::Controlled;
use crate::programs::replayer;
use crate::windows::{client, counts, each, run, sequence, url};

/// More than a lane reads ahead of what it sends, and over much more time than the look-ahead of the merge.
const LONG: u64 = 12_000;
const APART: Duration = Duration::from_millis(20);

/// Writes in batches that are small, because a batch is fetched whole.
fn write(store: &TestStore, all: &[Exchange]) {
    let mut config = store.config();
    config.kafka.insert("batch.num.messages".into(), "50".into());
    write_raw(&config, all.iter().map(|e| (e.id, e.arrival, codec::encode(e))).collect());
}

/// A replayer that reads little ahead, and looks for new partitions at once.
fn start(store: &TestStore, command: &str, receiver: &Receiver, flags: &[&str]) -> Process {
    let file = store.directory().join("replayer.toml");
    let kafka = "'queued.max.messages.kbytes' = 16\n'fetch.message.max.bytes' = 8192\n'queued.min.messages' = 1\n\
        'topic.metadata.refresh.interval.ms' = 300\n";
    std::fs::write(&file, format!("[store]\nurl = '{}'\n[store.kafka]\n{kafka}", store.url())).unwrap();
    let target = format!("staging={}", receiver.url());
    replayer(&[&[command, "--config", file.to_str().unwrap(), "--target", &target], flags].concat())
}

/// Removes the first five sixths of each partition.
fn shrink(store: &TestStore) {
    let KafkaUrl { topic, .. } = match store.config().url {
        StoreUrl::Kafka(url) => url,
        StoreUrl::Sqlite(url) => {
            let file = rusqlite::Connection::open(url.path).unwrap();
            file.execute("DELETE FROM exchanges WHERE seq <= ?1", [(LONG * 5 / 6).cast_signed()]).unwrap();
            return;
        }
    };
    let consumer: BaseConsumer = client(store).create().unwrap();
    let mut upto = TopicPartitionList::new();
    for partition in 0..3 {
        let (_, high) = consumer.fetch_watermarks(&topic, partition, Duration::from_secs(10)).unwrap();
        upto.add_partition_offset(&topic, partition, Offset::Offset(high * 5 / 6)).unwrap();
    }
    let admin: AdminClient<DefaultClientContext> = client(store).create().unwrap();
    run(admin.delete_records(&upto, &AdminOptions::new())).unwrap();
}

on_both_stores! {
    fn what_is_removed_before_it_is_read_is_counted_and_fails_the_run(store: &TestStore) {
        write(store, &sequence(LONG, APART));
        let receiver = Receiver::start();
        let report = store.directory().join("report.json");
        let window = ["--from", "-1day", "--to", "+1h", "--rate", "3000/s", "--report", report.to_str().unwrap()];
        let process = start(store, "replay", &receiver, &window);
        receiver.wait_for(200);
        shrink(store);
        let finished = process.finish().expect(1);
        let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
        let gone = report["targets"][0]["gone"].as_u64().unwrap();
        assert!(gone > 0);
        assert_eq!(receiver.count() as u64 + gone, LONG);
        assert!(counts(&receiver).values().all(|times| *times == 1));
        assert!(finished.stdout.contains(&format!("gone before they were read: {gone}")), "{}", finished.stdout);
        for said in [&format!("up to {gone} records of the window were removed"), "--allow-partial"] {
            assert!(finished.stderr.contains(said), "'{said}' is not in: {}", finished.stderr);
        }
    }
}

on_both_stores! {
    fn what_is_removed_before_it_is_followed_is_counted_and_following_goes_on(store: &TestStore) {
        write(store, &sequence(LONG, APART));
        let receiver = Receiver::start();
        let report = store.directory().join("report.json");
        let flags = ["--from", "earliest", "--rate", "3000/s", "--admin", "127.0.0.1:0", "--report", report.to_str().unwrap()];
        let follow = Controlled::started(start(store, "follow", &receiver, &flags));
        receiver.wait_for(200);
        assert_eq!(follow.status()["targets"][0]["gone"], 0);
        shrink(store);
        let gone = || follow.status()["targets"][0]["gone"].as_u64().unwrap();
        eventually("everything that is left", || gone() > 0 && receiver.count() as u64 + gone() == LONG);
        // What comes afterwards is followed as ever.
        let all = receiver.count() + 1;
        store.write(&[get(Timestamp::now(), "/999999")]);
        receiver.wait_for(all);
        let (gone, status) = (gone(), follow.status());
        let of_partitions = status["targets"][0]["gone_by_partition"].as_object().unwrap();
        assert_eq!(of_partitions.values().map(|count| count.as_u64().unwrap()).sum::<u64>(), gone, "{status}");
        assert_eq!(of_partitions.len(), if store.url().starts_with("kafka") { 3 } else { 1 });
        let metrics = follow.ask("GET", "/metrics", "", "").text();
        assert!(metrics.contains(&format!("umbra_replayer_gone_total{{target=\"staging\"}} {gone}\n")), "{metrics}");
        follow.signal("TERM");
        let finished = follow.finish().expect(130);
        assert_eq!(finished.stderr.matches("going on behind them").count(), 1, "{}", finished.stderr);
        assert!(finished.stdout.contains(&format!("gone before they were read: {gone}")), "{}", finished.stdout);
        let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
        assert_eq!(report["targets"][0]["gone"], gone);
        assert!(counts(&receiver).values().all(|times| *times == 1));
    }

    fn a_follower_that_was_away_too_long_says_what_is_gone(store: &TestStore) {
        write(store, &sequence(LONG, APART));
        let receiver = Receiver::start();
        let first = start(store, "follow", &receiver, &["--from", "earliest", "--rate", "3000/s"]);
        receiver.wait_for(200);
        first.signal("TERM");
        first.finish().expect(130);
        let before = receiver.count() as u64;
        shrink(store);
        let follow = Controlled::started(start(store, "follow", &receiver, &["--admin", "127.0.0.1:0"]));
        let gone = || follow.status()["targets"][0]["gone"].as_u64().unwrap_or(0);
        eventually("everything that is left", || gone() > 0 && receiver.count() as u64 + gone() == LONG);
        assert!(before < LONG / 6, "{before} came before");
        follow.signal("TERM");
        follow.finish().expect(130);
    }

    fn who_begins_at_the_beginning_of_what_is_left_misses_nothing(store: &TestStore) {
        write(store, &sequence(LONG, APART));
        shrink(store);
        let receiver = Receiver::start();
        let follow = start(store, "follow", &receiver, &["--from", "earliest", "--admin", "127.0.0.1:0"]);
        let follow = Controlled::started(follow);
        receiver.wait_for(usize::try_from(LONG / 6).unwrap());
        assert_eq!(follow.status()["targets"][0]["gone"], 0);
        follow.signal("TERM");
        follow.finish().expect(130);
    }
}

#[test]
fn a_job_that_rested_too_long_says_what_is_gone() {
    let store = TestStore::kafka();
    write(&store, &sequence(LONG, APART));
    let receiver = Receiver::start();
    let (name, report) = (format!("rested-{:08x}", fastrand::u32(..)), store.directory().join("report.json"));
    let flags = ["--from", "-1day", "--to", "+1h", "--rate", "3000/s", "--job", &name];
    let process = start(&store, "replay", &receiver, &flags);
    receiver.wait_for(200);
    process.signal("INT");
    process.finish().expect(130);
    let before = receiver.count() as u64;
    shrink(&store);
    let more = ["--resume", "--allow-partial", "--report", report.to_str().unwrap()];
    start(&store, "replay", &receiver, &[&flags[..], &more].concat()).finish().expect(0);
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let gone = report["targets"][0]["gone"].as_u64().unwrap();
    assert!(gone > 0 && before < LONG / 6, "{before} came before");
    // An upper bound: the checkpoint may be some of them behind what had been sent.
    assert!((LONG..=LONG + before).contains(&(receiver.count() as u64 + gone)), "{gone} are gone");
    assert!(counts(&receiver).values().all(|times| *times == 1));
}

#[test]
fn partitions_that_come_while_a_topic_is_followed_are_followed_too() {
    let store = TestStore::kafka();
    store.write(&sequence(60, Duration::from_millis(1)));
    let receiver = Receiver::start();
    let process = start(&store, "follow", &receiver, &["--from", "earliest"]);
    receiver.wait_for(60);
    let admin: AdminClient<DefaultClientContext> = client(&store).create().unwrap();
    run(admin.create_partitions(&[NewPartitions::new(&url(&store).topic, 8)], &AdminOptions::new())).unwrap();
    let consumer: BaseConsumer = client(&store).create().unwrap();
    let (topic, wait) = (url(&store).topic, Duration::from_secs(10));
    let ends =
        || (3..8).map(|partition| consumer.fetch_watermarks(&topic, partition, wait).map_or(0, |(_, high)| high));
    // A record's key decides where it goes: it is written until the new ones have something.
    let mut count = 60;
    eventually("records in the new partitions", || {
        store.write(&(count..count + 40).map(|i| get(Timestamp::now(), &format!("/{i}"))).collect::<Vec<_>>());
        count += 40;
        ends().all(|end| end > 0)
    });
    receiver.wait_for(usize::try_from(count).unwrap());
    process.signal("TERM");
    process.finish().expect(130);
    assert_eq!(counts(&receiver), each(1, count));
}
