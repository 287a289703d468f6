//! Whether a topic is there, and its partitions.

use std::time::{Duration, Instant};

use rdkafka::client::Client;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};

use super::trouble::{self, Plain};
use crate::store::{KafkaUrl, StoreError};

/// How long brokers have to answer before they count as not there.
pub(super) const REACH: Duration = Duration::from_secs(10);
/// One attempt of that; between two, the client's errors are fetched, for the message.
const ATTEMPT: Duration = Duration::from_secs(2);

/// What the brokers know of a topic.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Its partitions, in order.
    Partitions(Vec<i32>),
    /// There is no such topic.
    Missing,
    /// It has just been made, and has no leader yet.
    NotYet,
}

/// Asks once.
pub(super) fn find<C: rdkafka::ClientContext>(client: &Client<C>, topic: &str, wait: Duration) -> KafkaResult<Found> {
    let metadata = client.fetch_metadata(Some(topic), wait)?;
    let Some(found) = metadata.topics().first() else { return Ok(Found::Missing) };
    match found.error().map(RDKafkaErrorCode::from) {
        None if found.partitions().is_empty() => Ok(Found::NotYet),
        None => {
            let mut partitions: Vec<i32> = found.partitions().iter().map(|p| p.id()).collect();
            partitions.sort_unstable();
            Ok(Found::Partitions(partitions))
        }
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(Found::Missing),
        Some(RDKafkaErrorCode::LeaderNotAvailable) => Ok(Found::NotYet),
        Some(other) => Err(KafkaError::MetadataFetch(other)),
    }
}

/// The partitions of a topic that must be there, asking until the brokers have had the time to answer.
pub(super) fn partitions(consumer: &BaseConsumer<Plain>, url: &KafkaUrl) -> Result<Vec<i32>, StoreError> {
    let until = Instant::now() + REACH;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match find(consumer.client(), &url.topic, left.min(ATTEMPT)) {
            Ok(Found::Partitions(partitions)) => return Ok(partitions),
            Ok(Found::NotYet) if !left.is_zero() => std::thread::sleep(left.min(Duration::from_millis(50))),
            Ok(Found::Missing | Found::NotYet) => {
                return Err(StoreError::NoTopic { topic: url.topic.clone(), brokers: url.brokers.clone() });
            }
            Err(error) if trouble::is_fatal(&error) => return Err(error.into()),
            Err(error) => {
                // Errors are events, and events wait to be fetched.
                let _ = consumer.poll(Duration::ZERO);
                if left.is_zero() {
                    return Err(unreachable(&url.brokers, consumer, &error));
                }
            }
        }
    }
}

/// The error for brokers that do not answer, with the reason that librdkafka gave last.
pub(super) fn unreachable(brokers: &str, consumer: &BaseConsumer<Plain>, error: &KafkaError) -> StoreError {
    let why = consumer.client().context().0.last().unwrap_or_else(|| error.to_string());
    StoreError::Unreachable { brokers: brokers.to_owned(), why }
}
