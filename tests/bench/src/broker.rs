//! The Kafka that the recorder records to: a real one, as in the tests.

use std::fmt;

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

    /// The URL of a topic that nobody else has.
    pub fn topic(&self) -> String {
        let brokers = match self {
            Self::Elsewhere(brokers) => brokers,
            Self::Own(broker) => &broker.brokers(),
        };
        topic_on(brokers, "umbra-bench", None).to_string()
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
