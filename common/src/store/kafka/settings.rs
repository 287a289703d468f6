//! librdkafka's properties: ours, with those of `[store.kafka]` over them.
//!
//! Names and meanings: <https://github.com/confluentinc/librdkafka/blob/v2.12.1/CONFIGURATION.md>.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

use super::marks::GROUP;
use crate::store::{KafkaUrl, StoreError};

/// What a client is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role<'a> {
    /// Metadata, offsets, and making the topic.
    Ask,
    /// The same, and where late records stand.
    Marks,
    /// Appends.
    Write,
    /// Reads a window.
    Read,
    /// Follows as a member of this group.
    Follow(&'a str),
    /// Keeps a checkpoint as the one member of this group.
    Keep(&'a str),
}

/// Properties that Umbra's promises rest on, and where their values come from.
const FIXED: [(&str, &str); 11] = [
    ("allow.auto.create.topics", "the recorder makes the topic, with the partitions of the --store URL"),
    ("auto.offset.reset", "it follows from --from"),
    ("bootstrap.servers", "the --store URL names the brokers"),
    ("delivery.report.only.error", "every record is counted"),
    ("enable.auto.commit", "positions are kept for what is done"),
    ("enable.auto.offset.store", "positions are kept for what is done"),
    ("enable.partition.eof", "a window ends by it, and a record that is not whole"),
    ("group.id", "it follows from the target's name"),
    ("metadata.broker.list", "the --store URL names the brokers"),
    ("statistics.interval.ms", "the counts are on the admin listener"),
    ("transactional.id", "records are not written in transactions"),
];

const EVERY: [(&str, &str); 4] = [
    ("client.id", "umbra"),
    ("allow.auto.create.topics", "false"),
    // After an outage, recording and reading go on within this.
    ("reconnect.backoff.max.ms", "2000"),
    ("socket.keepalive.enable", "true"),
];

const WRITE: [(&str, &str); 8] = [
    // Each request to a broker costs as much as many records do, here and there; what is sent at once takes a processor for as long
    // as that needs, which shows in the live path. Shorter is dearer, and longer is slower for some.
    ("linger.ms", "50"),
    // What is not confirmed by then is counted as lost. The slack around a window rests on it.
    ("message.timeout.ms", "10000"),
    ("acks", "1"),
    ("compression.codec", "lz4"),
    // The key's partition is the one that Kafka's own Java clients would choose.
    ("partitioner", "murmur2_random"),
    // Without a key, all of so many milliseconds share one: each partition that has something is a request of its own.
    ("sticky.partitioning.linger.ms", "50"),
    // The recorder's own budget bounds the memory; librdkafka's limits are set out of its way.
    ("queue.buffering.max.kbytes", "2147483647"),
    ("queue.buffering.max.messages", "0"),
];

/// In milliseconds; longer than any broker that is well needs for an answer.
const SOCKET_TIMEOUT: &str = "15000";

const CONSUME: [(&str, &str); 4] = [
    ("enable.auto.offset.store", "false"),
    // Prefetched at most, over all partitions.
    ("queued.max.messages.kbytes", "16384"),
    // How long fetching stops when that is reached; the default of a second starves a fast reader.
    ("fetch.queue.backoff.ms", "10"),
    ("socket.timeout.ms", SOCKET_TIMEOUT),
];

const READ: [(&str, &str); 4] = [
    // Partitions are assigned by hand: nobody joins this group, and nothing is committed to it.
    ("group.id", "umbra-window"),
    ("enable.auto.commit", "false"),
    ("enable.partition.eof", "true"),
    // What retention removes before it is read is counted.
    ("auto.offset.reset", "error"),
];

const MARKS: [(&str, &str); 2] = [("group.id", GROUP), ("enable.auto.commit", "false")];

const FOLLOW: [(&str, &str); 7] = [
    // How often it is said how much is left to read.
    ("statistics.interval.ms", "2000"),
    ("enable.auto.commit", "true"),
    ("auto.commit.interval.ms", "1000"),
    // Where everything there is has been read, missing parts of a record do not come any more.
    ("enable.partition.eof", "true"),
    // What retention removes before it is read is counted.
    ("auto.offset.reset", "error"),
    // How soon partitions are found that were added.
    ("topic.metadata.refresh.interval.ms", "30000"),
    // A rebalance leaves alone what stays with its replica.
    ("partition.assignment.strategy", "cooperative-sticky"),
];

/// A holder that died is to be noticed within seconds: the shortest time that brokers allow by default.
const KEEP: [(&str, &str); 5] = [
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("session.timeout.ms", "6000"),
    ("heartbeat.interval.ms", "1500"),
    ("partition.assignment.strategy", "range"),
];

/// Two names of one property: where the second is given, our value for the first must not be set beside it.
const ALIASES: [(&str, &str); 4] = [
    ("acks", "request.required.acks"),
    ("compression.codec", "compression.type"),
    ("linger.ms", "queue.buffering.max.ms"),
    ("message.timeout.ms", "delivery.timeout.ms"),
];

/// How to reach a cluster.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) brokers: String,
    properties: BTreeMap<String, String>,
}

impl Settings {
    /// Refuses the properties that are not for the user to set.
    pub(super) fn new(url: &KafkaUrl, properties: &BTreeMap<String, String>) -> Result<Self, StoreError> {
        for (name, why) in FIXED {
            if properties.contains_key(name) {
                return Err(StoreError::Property(format!("{name} cannot be set under [store.kafka]: {why}")));
            }
        }
        if properties.get("partitioner").is_some_and(|name| name == "random") {
            let why = "the parts of a large record belong into one partition";
            return Err(StoreError::Property(format!("partitioner = random cannot be set under [store.kafka]: {why}")));
        }
        Ok(Self { brokers: url.brokers.clone(), properties: properties.clone() })
    }

    /// The most bytes that one message may have. Where the value is wrong, librdkafka refuses it elsewhere.
    pub(super) fn message_limit(&self) -> usize {
        /// librdkafka's default, which is within the brokers' own.
        const DEFAULT: usize = 1_000_000;
        self.properties.get("message.max.bytes").and_then(|value| value.parse().ok()).unwrap_or(DEFAULT)
    }

    /// A broker that has not answered for so long is not there. Where the value is wrong, librdkafka refuses it elsewhere.
    pub(super) fn socket_timeout(&self) -> Duration {
        let set = self.properties.get("socket.timeout.ms").map_or(SOCKET_TIMEOUT, String::as_str);
        Duration::from_millis(set.parse().unwrap_or_default())
    }

    /// The configuration of one client.
    pub(super) fn config(&self, role: Role<'_>) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        let own: &[&[(&str, &str)]] = match role {
            Role::Ask => &[&EVERY],
            Role::Marks => &[&EVERY, &MARKS],
            Role::Write => &[&EVERY, &WRITE],
            Role::Read => &[&EVERY, &CONSUME, &READ],
            Role::Follow(_) => &[&EVERY, &CONSUME, &FOLLOW],
            Role::Keep(_) => &[&EVERY, &KEEP],
        };
        for (name, value) in own.iter().copied().flatten() {
            config.set(*name, *value);
        }
        if let Role::Follow(group) | Role::Keep(group) = role {
            config.set("group.id", group);
        }
        for (name, value) in &self.properties {
            config.set(name, value);
            if let Some((ours, _)) = ALIASES.iter().find(|(_, alias)| alias == name) {
                config.remove(ours);
            }
        }
        let idempotent = self.properties.get("enable.idempotence").is_some_and(|v| v == "true");
        if idempotent && !self.properties.contains_key("acks") {
            // Idempotence asks for all of them.
            config.remove("acks");
        }
        // Lines go through `tracing` (see `trouble`), which has levels of its own.
        config.set_log_level(RDKafkaLogLevel::Info);
        config
    }
}

/// What librdkafka says against its configuration. A value is never repeated: it may be a secret.
pub(super) fn refused(error: KafkaError) -> StoreError {
    match error {
        KafkaError::ClientConfig(_, why, name, _) => {
            StoreError::Property(format!("{name} under [store.kafka] is refused: {}", why.trim()))
        }
        KafkaError::ClientCreation(why) => {
            StoreError::Property(format!("settings under [store.kafka] are refused: {}", why.trim()))
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(properties: &[(&str, &str)]) -> Result<Settings, StoreError> {
        let url = KafkaUrl { brokers: "h:1".into(), topic: "t".into(), partitions: None };
        let properties = properties.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Settings::new(&url, &properties)
    }

    #[test]
    fn a_property_that_would_break_a_promise_is_refused_by_name() {
        for (name, why) in FIXED {
            let error = settings(&[(name, "x")]).unwrap_err();
            assert!(error.to_string().contains(name) && error.to_string().contains(why), "{error}");
            assert!(error.is_configuration());
        }
    }

    #[test]
    fn the_users_value_goes_over_ours_under_either_of_its_names() {
        let config = settings(&[("linger.ms", "5")]).unwrap().config(Role::Write);
        assert_eq!(config.get("linger.ms"), Some("5"));
        let config = settings(&[("delivery.timeout.ms", "700")]).unwrap().config(Role::Write);
        assert_eq!((config.get("delivery.timeout.ms"), config.get("message.timeout.ms")), (Some("700"), None));
        let config = settings(&[("enable.idempotence", "true")]).unwrap().config(Role::Write);
        assert_eq!(config.get("acks"), None);
    }

    #[test]
    fn every_role_is_a_configuration_that_librdkafka_takes() {
        for role in [Role::Ask, Role::Marks, Role::Write, Role::Read, Role::Follow("g"), Role::Keep("g")] {
            settings(&[]).unwrap().config(role).create_native_config().unwrap();
        }
    }

    #[test]
    fn an_unknown_property_is_named_and_its_value_is_not() {
        let config = settings(&[("sasl.pasword", "hunter2")]).unwrap().config(Role::Ask);
        let error = refused(config.create_native_config().map(drop).unwrap_err());
        assert!(error.is_configuration());
        assert!(error.to_string().contains("sasl.pasword") && !error.to_string().contains("hunter2"), "{error}");
    }
}
