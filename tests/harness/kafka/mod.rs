//! A real Kafka for the tests: one broker for the whole process, found or started when it is first asked for.
//!
//! In this order: the brokers that `UMBRA_TEST_KAFKA` names; a container, where a Docker engine answers and has the
//! image or can pull it; Apache Kafka's published jars, fetched once by Maven and run by Java. `UMBRA_TEST_KAFKA_VIA`
//! (`docker` or `jars`) insists on one way. Where there is none, the test fails and says what to install; nothing is
//! ever skipped.
//!
//! What is started ends with this process, however that ends.

mod broker;
mod container;
mod guarded;
mod jars;
mod java;
mod pair;
mod secured;

pub use broker::Broker;
pub use guarded::GuardedBroker;
pub use pair::Pair;
pub use secured::{Password, SecuredBroker, USER};

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use umbra_common::store::{KafkaUrl, StoreUrl};

/// For a broker that has been started to answer.
const READY: Duration = Duration::from_secs(90);

/// The broker that the tests of this process share.
#[derive(Debug)]
pub struct Kafka {
    brokers: String,
    /// Absent where it was here before. Held for as long as the process lives.
    _broker: Option<Broker>,
}

impl Kafka {
    /// The shared broker. The first call finds or starts it; calls that come meanwhile wait.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED.get_or_init(Self::find)
    }

    /// `host:port`, comma-separated.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// The URL of a topic that nobody else has and that does not exist yet. Its name begins with `prefix`.
    pub fn topic(&self, prefix: &str) -> StoreUrl {
        topic_on(&self.brokers, prefix, None)
    }

    /// The same, to be made with so many partitions.
    pub fn topic_with(&self, prefix: &str, partitions: u16) -> StoreUrl {
        topic_on(&self.brokers, prefix, Some(partitions))
    }

    fn find() -> Self {
        let (kafka, way) = match setting("UMBRA_TEST_KAFKA") {
            Some(brokers) => {
                wait_until_ready(&brokers, READY).unwrap_or_else(|why| panic!("kafka at {brokers}: {why}"));
                (Self { brokers, _broker: None }, "the brokers in UMBRA_TEST_KAFKA")
            }
            None => {
                let broker = Broker::start();
                let way = broker.way();
                (Self { brokers: broker.brokers(), _broker: Some(broker) }, way)
            }
        };
        eprintln!("kafka for the tests: {way}, at {}", kafka.brokers);
        kafka
    }
}

/// A topic of its own on any brokers.
pub fn topic_on(brokers: &str, prefix: &str, partitions: Option<u16>) -> StoreUrl {
    let topic = format!("{prefix}-{:016x}", fastrand::u64(..));
    StoreUrl::Kafka(KafkaUrl { brokers: brokers.to_owned(), topic, partitions })
}

/// Waits until brokers answer.
fn wait_until_ready(brokers: &str, longest: Duration) -> Result<(), String> {
    let until = Instant::now() + longest;
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("reconnect.backoff.max.ms", "200").set("log_level", "0");
    let consumer: BaseConsumer = config.create().map_err(|e| e.to_string())?;
    loop {
        match consumer.fetch_metadata(None, Duration::from_millis(500)) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > until => return Err(format!("no answer within {longest:?}: {error}")),
            Err(_) => {}
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how a test run says where its kafka is")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
