//! The checkpoints of a topic as anyone may see them: their names, what they say, and forgetting them.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::settings::{Role, Settings, refused};
use super::trouble::{self, Plain};
use super::waiting::block_on;
use crate::store::{Kept, Mark, Position, StoreError};

/// For one question to the brokers.
const ANSWER: Duration = Duration::from_secs(5);
/// For all attempts at it: a coordinator may be on its way.
const ANSWERS: Duration = Duration::from_secs(15);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// Asks until there is an answer, or somebody has to change something.
fn ask<T>(question: impl Fn() -> Result<T, KafkaError>) -> Result<T, StoreError> {
    let until = Instant::now() + ANSWERS;
    loop {
        match question() {
            Ok(answer) => return Ok(answer),
            Err(error) if trouble::is_fatal(&error) || Instant::now() >= until => return Err(error.into()),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// The marks under a name.
pub(super) fn marks(settings: &Settings, topic: &str, partitions: &[i32], name: &str) -> Result<Vec<Mark>, StoreError> {
    let consumer: BaseConsumer<Plain> =
        BaseConsumer::from_config_and_context(&settings.config(Role::Keep(name)), Plain::default()).map_err(refused)?;
    let committed = ask(|| {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(topic, *partition);
        }
        let committed = consumer.committed_offsets(list, ANSWER)?;
        committed.elements().iter().try_for_each(|element| element.error())?;
        Ok(committed)
    })?;
    let elements = committed.elements();
    let marks = elements.iter().filter_map(|element| match element.offset() {
        Offset::Offset(offset) => Some(Mark {
            position: Position { partition: element.partition(), offset },
            note: element.metadata().to_owned(),
        }),
        _ => None,
    });
    Ok(marks.collect())
}

/// The groups whose names begin so.
pub(super) fn names(consumer: &BaseConsumer<Plain>, prefix: &str) -> Result<Vec<Kept>, StoreError> {
    let list = ask(|| consumer.fetch_group_list(None, ANSWER))?;
    let ours = list.groups().iter().filter(|group| group.name().starts_with(prefix));
    let mut names: Vec<Kept> =
        ours.map(|group| Kept { name: group.name().to_owned(), held: !group.members().is_empty() }).collect();
    names.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(names)
}

/// Forgets a name that nobody holds.
pub(super) fn forget(settings: &Settings, name: &str) -> Result<(), StoreError> {
    let admin: AdminClient<Plain> =
        AdminClient::from_config_and_context(&settings.config(Role::Ask), Plain::default()).map_err(refused)?;
    let options = AdminOptions::new().request_timeout(Some(ANSWER)).operation_timeout(Some(ANSWER));
    let no_answer = || StoreError::from(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut));
    let deleted = block_on(admin.delete_groups(&[name], &options), ANSWERS).ok_or_else(no_answer)??;
    match deleted.into_iter().next() {
        Some(Err((_, RDKafkaErrorCode::NonEmptyGroup))) => Err(StoreError::Held { name: name.to_owned() }),
        Some(Err((_, code))) if code != RDKafkaErrorCode::GroupIdNotFound => Err(KafkaError::AdminOp(code).into()),
        _ => Ok(()),
    }
}
