//! Logs on two brokers, one of which freezes or dies while they are read; and a log that its broker compacts.

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;
use umbra_common::codec;
use umbra_common::exchange::Exchange;
use umbra_common::store::{KafkaUrl, StoreUrl};
use umbra_common::time::Timestamp;
use umbra_tests::exchanges::get;
use umbra_tests::kafka::Pair;
use umbra_tests::process::Process;
use umbra_tests::receiver::Receiver;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::eventually;

use crate::programs::replayer;
use crate::windows::{counts, each, run, sequence};

/// The pair that these tests share, each for itself: they take brokers away.
fn pair() -> MutexGuard<'static, Pair> {
    static PAIR: LazyLock<Mutex<Pair>> = LazyLock::new(|| Mutex::new(Pair::start()));
    PAIR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A topic whose partitions are on these brokers, the leader first.
struct Topic {
    store: TestStore,
    url: KafkaUrl,
    client: ClientConfig,
}

impl Topic {
    fn create(pair: &Pair, partitions: &[&[i32]], settings: &[(&str, &str)]) -> Self {
        let url = pair.topic("pair");
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &url.brokers);
        let admin: AdminClient<DefaultClientContext> = client.create().unwrap();
        let count = i32::try_from(partitions.len()).unwrap();
        let new = NewTopic::new(&url.topic, count, TopicReplication::Variable(partitions));
        let new = settings.iter().fold(new, |new, (name, value)| new.set(name, value));
        // A broker that was away may just have come back.
        eventually("a topic on both brokers", || {
            let made = run(admin.create_topics([&new], &AdminOptions::new())).unwrap();
            matches!(made[0], Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)))
        });
        Self { store: TestStore::at(&StoreUrl::Kafka(url.clone())), url, client }
    }

    /// Writes exchanges to a partition and under a key each, and waits until all replicas have them.
    fn write<'a>(&self, all: impl IntoIterator<Item = (&'a Exchange, i32, String)>) {
        // A batch is fetched whole, and compacted whole.
        let mut client = self.client.clone();
        client.set("acks", "all").set("linger.ms", "20").set("batch.num.messages", "50");
        let producer: BaseProducer = client.create().unwrap();
        for (exchange, partition, key) in all {
            let value = codec::encode(exchange);
            let mut record = BaseRecord::to(&self.url.topic)
                .partition(partition)
                .key(&key)
                .payload(&value)
                .timestamp(exchange.arrival.as_millis());
            while let Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) = producer.send(record) {
                producer.poll(Duration::from_millis(5));
                record = back;
            }
        }
        producer.flush(Duration::from_secs(30)).unwrap();
    }

    /// The same, one after the other to two partitions.
    fn write_to_both(&self, all: &[Exchange]) {
        self.write(all.iter().enumerate().map(|(i, e)| (e, i32::from(i % 2 == 1), format!("{i}"))));
    }

    /// A replayer that reads little ahead: what happens to the log happens while it is read.
    fn start(&self, command: &str, receiver: &Receiver, flags: &[&str]) -> Process {
        self.start_with("", command, receiver, flags)
    }

    /// The same with another property of the Kafka client.
    fn start_with(&self, property: &str, command: &str, receiver: &Receiver, flags: &[&str]) -> Process {
        let file = self.store.directory().join("replayer.toml");
        let ahead = "'queued.max.messages.kbytes' = 16\n'fetch.message.max.bytes' = 8192\n'queued.min.messages' = 1\n";
        std::fs::write(&file, format!("[store]\nurl = '{}'\n[store.kafka]\n{ahead}{property}\n", self.store.url()))
            .unwrap();
        let target = format!("staging={}", receiver.url());
        replayer(&[&[command, "--config", file.to_str().unwrap(), "--target", &target], flags].concat())
    }

    fn replay(&self, receiver: &Receiver, flags: &[&str]) -> Process {
        self.start("replay", receiver, &[&["--from", "-1day", "--to", "+1h"], flags].concat())
    }
}

/// More than a lane reads ahead of what it sends, and over much more time than the look-ahead of the merge.
const LONG: u64 = 12_000;
const APART: Duration = Duration::from_millis(20);

#[test]
fn a_partition_that_stalls_holds_the_others_up_for_a_while_and_is_read_to_its_end() {
    let pair = pair();
    let topic = Topic::create(&pair, &[&[1], &[2]], &[]);
    topic.write_to_both(&sequence(LONG, APART));
    let receiver = Receiver::start();
    let report = topic.store.directory().join("report.json");
    let mut process = topic.replay(&receiver, &["--rate", "3000/s", "--report", report.to_str().unwrap()]);
    receiver.wait_for(200);
    pair.pause_second();
    process.stderr_line("nothing comes from these partitions; going on without them");
    // All of the first partition's come while the second is frozen.
    eventually("the other partition's requests", || {
        counts(&receiver).keys().filter(|i| *i % 2 == 0).count() as u64 == LONG / 2
    });
    assert!((receiver.count() as u64) < LONG);
    pair.resume_second();
    process.finish().expect(0);
    assert_eq!(counts(&receiver), each(1, LONG));
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert!(report["targets"][0]["late"].as_u64().unwrap() > 0, "what came afterwards was out of order");
    assert_eq!(report["targets"][0]["gone"], 0);
}

/// Four times as long as a broker has for an answer, a minute unless that is set.
#[test]
fn a_partition_that_is_away_for_too_long_fails_the_run_and_its_job_goes_on_when_it_is_back() {
    let pair = pair();
    let topic = Topic::create(&pair, &[&[1], &[2]], &[]);
    topic.write_to_both(&sequence(LONG, APART));
    let receiver = Receiver::start();
    let name = format!("away-{:08x}", fastrand::u32(..));
    let window = ["--from", "-1day", "--to", "+1h", "--rate", "5000/s", "--connections", "8"];
    let flags = [&window[..], &["--job", &name]].concat();
    let process = topic.start_with("'socket.timeout.ms' = 4000", "replay", &receiver, &flags);
    receiver.wait_for(200);
    pair.pause_second();
    let said = process.finish().expect(1).stderr;
    assert!(said.contains("nothing comes from these partitions") && said.contains("Timed out"), "{said}");
    assert!((receiver.count() as u64) < LONG);
    pair.resume_second();
    topic.start("replay", &receiver, &[&flags[..], &["--resume"]].concat()).finish().expect(0);
    let came = counts(&receiver);
    assert_eq!(came.len() as u64, LONG, "none is missing");
    assert!(came.values().map(|times| times - 1).sum::<u32>() <= 8, "more than those in flight came twice");
}

#[test]
fn a_leader_that_dies_half_way_costs_a_window_nothing() {
    let mut pair = pair();
    let topic = Topic::create(&pair, &[&[1, 2], &[2, 1]], &[]);
    topic.write_to_both(&sequence(LONG, APART));
    let receiver = Receiver::start();
    let process = topic.replay(&receiver, &["--rate", "3000/s"]);
    receiver.wait_for(200);
    pair.stop_second();
    process.finish().expect(0);
    pair.restart_second();
    assert_eq!(counts(&receiver), each(1, LONG));
}

#[test]
fn a_leader_that_dies_while_it_is_followed_costs_nothing() {
    let mut pair = pair();
    let topic = Topic::create(&pair, &[&[1, 2], &[2, 1]], &[]);
    let all = sequence(3000, Duration::from_millis(1));
    topic.write_to_both(&all[..2000]);
    let receiver = Receiver::start();
    let process = topic.start("follow", &receiver, &["--from", "earliest", "--rate", "1000/s"]);
    receiver.wait_for(500);
    pair.stop_second();
    topic.write_to_both(&all[2000..]);
    eventually("everything that was there before and came since", || counts(&receiver).len() == 3000);
    pair.restart_second();
    process.signal("TERM");
    process.finish().expect(130);
    assert_eq!(counts(&receiver), each(1, 3000));
}

#[test]
fn a_compacted_log_is_sent_as_it_is_and_ends() {
    const KEYS: u64 = 20;
    const COUNT: u64 = 2000;
    let pair = pair();
    let compacted = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "16384"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("max.compaction.lag.ms", "100"),
    ];
    let topic = Topic::create(&pair, &[&[1]], &compacted);
    let first = Timestamp::now().before(Duration::from_secs(60));
    let all: Vec<_> = (0..COUNT).map(|i| get(first.after(Duration::from_millis(i)), &format!("/{i}"))).collect();
    topic.write(all.iter().zip(0..).map(|(e, i)| (e, 0, format!("key-{}", i % KEYS))));
    eventually("a log with gaps", || topic.store.exchanges().len() as u64 <= COUNT / 4);
    let receiver = Receiver::start();
    let report = topic.store.directory().join("report.json");
    let flags = ["--rate", "max", "--report", report.to_str().unwrap()];
    topic.replay(&receiver, &flags).finish().expect(0);
    let came = counts(&receiver);
    assert!(came.values().all(|times| *times == 1));
    let (latest, there): (BTreeSet<_>, BTreeSet<_>) = ((COUNT - KEYS..COUNT).collect(), came.keys().copied().collect());
    assert!(there.is_superset(&latest) && there.len() as u64 <= COUNT / 4, "{there:?}");
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let target = &report["targets"][0];
    assert_eq!((&target["ledger"]["seen"], &target["gone"]), (&came.len().into(), &0.into()), "gaps are no losses");
}
