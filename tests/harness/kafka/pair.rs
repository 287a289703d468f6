//! Two brokers of one cluster: what happens to a log when one of them is away.

use super::java::{Extra, Java};
use super::topic_on;
use umbra_common::store::{KafkaUrl, StoreUrl};

/// Leaders move within seconds, what groups commit outlives a broker, and logs are compacted as soon as they may be.
const PROPERTIES: &str = "broker.heartbeat.interval.ms=300
broker.session.timeout.ms=3000
offsets.topic.replication.factor=2
log.cleaner.backoff.ms=200
";

/// Two brokers from the jars. The first is the controller and stays; the second, whose id is 2, may go.
#[derive(Debug)]
pub struct Pair {
    first: Java,
    second: Java,
}

impl Pair {
    /// Starts both and waits until they answer.
    pub fn start() -> Self {
        let fails = |why: String| -> Java { panic!("apache kafka does not start: {why}") };
        let extra = Extra { properties: PROPERTIES.to_owned(), ..Extra::default() };
        let first = Java::start_with(&extra).unwrap_or_else(fails);
        let second = Extra { joins: Some(first.controller()), ..extra };
        let second = Java::start_with(&second).unwrap_or_else(fails);
        Self { first, second }
    }

    /// A topic that does not exist yet.
    pub fn topic(&self, prefix: &str) -> KafkaUrl {
        let brokers = format!("{},{}", self.first.brokers(), self.second.brokers());
        match topic_on(&brokers, prefix, None) {
            StoreUrl::Kafka(url) => url,
            StoreUrl::Sqlite(url) => panic!("{url:?} is no topic"),
        }
    }

    /// Ends the second at once, as a crash would. Its data stays.
    pub fn stop_second(&mut self) {
        self.second.stop();
    }

    /// Starts it again.
    pub fn restart_second(&mut self) {
        self.second.restart().unwrap_or_else(|why| panic!("apache kafka does not start again: {why}"));
    }

    /// Freezes the second: connections stay open, and nothing is answered.
    pub fn pause_second(&self) {
        self.second.pause();
    }

    /// Lets it go on.
    pub fn resume_second(&self) {
        self.second.resume();
    }
}
