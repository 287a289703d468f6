//! The Kafka that is recorded to and replayed from: a real one, as in the tests.

use std::fmt;

use umbra_common::store::StoreUrl;
use umbra_tests::kafka::{Broker, topic_on};

/// One broker, or several. One that was started here ends when this is dropped.
#[derive(Debug)]
pub enum Kafka {
    /// As given.
    Elsewhere(String),
    /// Run from Apache Kafka's published jars.
    Own(Broker),
}

impl Kafka {
    /// The brokers that were given, else one of our own. Java and Maven run it: without them this ends the bench, and
    /// says what to install.
    pub fn find(given: Option<&str>) -> Self {
        given.map_or_else(|| Self::Own(Broker::start()), |brokers| Self::Elsewhere(brokers.to_owned()))
    }

    /// Whether it has just been started.
    pub fn is_new(&self) -> bool {
        matches!(self, Self::Own(_))
    }

    /// The URL of a topic that nobody else has.
    pub fn topic(&self) -> String {
        topic_on(&self.brokers(), "umbra-bench", None).to_string()
    }

    /// The same, to be made with so many partitions.
    pub fn topic_with(&self, partitions: u16) -> StoreUrl {
        topic_on(&self.brokers(), "umbra-bench", Some(partitions))
    }

    fn brokers(&self) -> String {
        match self {
            Self::Elsewhere(brokers) => brokers.clone(),
            Self::Own(broker) => broker.brokers(),
        }
    }
}

impl fmt::Display for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elsewhere(brokers) => write!(f, "the Kafka at {brokers}"),
            Self::Own(_) => {
                f.write_str("a Kafka on the same machine, from Apache's jars, whose CPU is not in these figures")
            }
        }
    }
}
