//! Offsets for all partitions at once: one request to each leader, however many partitions it has.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::metadata::REACH;
use super::trouble;
use crate::store::StoreError;
use crate::time::Timestamp;

/// Which offset of each partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The first that is kept.
    First,
    /// The one that the next record gets.
    Next,
    /// That of the first record with this timestamp or a later one.
    At(Timestamp),
}

impl Which {
    /// The protocol's special timestamps -2 and -1 are librdkafka's own numbers for "beginning" and "end".
    fn timestamp(self) -> Offset {
        match self {
            Self::First => Offset::Beginning,
            Self::Next => Offset::End,
            Self::At(time) => Offset::Offset(time.as_millis()),
        }
    }
}

/// The offset for each partition; `None` where no record is that late.
pub(super) fn query<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partitions: &[i32],
    which: Which,
) -> Result<BTreeMap<i32, Option<i64>>, StoreError> {
    let until = Instant::now() + REACH;
    loop {
        let error = match ask(consumer, topic, partitions, which) {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        // A leader that is being elected is back in a moment.
        let passing =
            !trouble::is_fatal(&error) && error.rdkafka_error_code() != Some(RDKafkaErrorCode::InvalidArgument);
        if !passing || Instant::now() >= until {
            return Err(error.into());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn ask<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partitions: &[i32],
    which: Which,
) -> KafkaResult<BTreeMap<i32, Option<i64>>> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition_offset(topic, *partition, which.timestamp())?;
    }
    let answer = consumer.offsets_for_times(list, REACH)?;
    let mut offsets = BTreeMap::new();
    for element in answer.elements() {
        element.error()?;
        let offset = match element.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        offsets.insert(element.partition(), offset);
    }
    Ok(offsets)
}
