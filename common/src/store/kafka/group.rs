//! A consumer group's side of following: which partitions are held, and where a new one begins.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, Statistics, TopicPartitionList};

use super::metadata::{Found, find};
use super::trouble::{self, Trouble};
use crate::store::Share;

/// For the coordinator to say what the group has committed.
const COMMITTED: Duration = Duration::from_secs(10);
/// For a broker to say how many partitions there are.
const COUNT: Duration = Duration::from_secs(3);

/// The follower's context.
pub(super) struct Group {
    topic: String,
    /// Where partitions begin for which the group has no position: fixed when following began, so that it does not
    /// depend on when an assignment came.
    starts: BTreeMap<i32, i64>,
    held: Mutex<Held>,
    leaving: AtomicBool,
    pub(super) trouble: Trouble,
}

struct Held {
    /// Those that are held, and where each began to be.
    partitions: BTreeMap<i32, i64>,
    of: usize,
    failed: Option<KafkaError>,
    /// Partitions that were taken away since this was last asked for.
    lost: Vec<i32>,
    /// How many records of each partition are not done yet, as librdkafka last said.
    behind: BTreeMap<i32, u64>,
}

impl Group {
    pub(super) fn new(topic: &str, starts: BTreeMap<i32, i64>) -> Self {
        let held = Held {
            partitions: BTreeMap::new(),
            of: starts.len(),
            failed: None,
            lost: Vec::new(),
            behind: BTreeMap::new(),
        };
        Self {
            topic: topic.to_owned(),
            starts,
            held: Mutex::new(held),
            leaving: AtomicBool::new(false),
            trouble: Trouble::default(),
        }
    }

    /// The group is about to be left: what is still assigned is taken as it comes, and given back.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    pub(super) fn share(&self) -> Share {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        Share { held: held.partitions.keys().copied().collect(), of: held.of }
    }

    /// How many records of the held partitions are not done yet; nothing until that is known of each.
    pub(super) fn behind(&self) -> Option<u64> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.partitions.keys().map(|partition| held.behind.get(partition).copied()).sum()
    }

    pub(super) fn holds(&self, partition: i32) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).partitions.contains_key(&partition)
    }

    /// The partitions that are held, and where each began to be.
    pub(super) fn begun(&self) -> BTreeMap<i32, i64> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).partitions.clone()
    }

    /// What made a rebalance fail, and the partitions that were taken away: each once.
    pub(super) fn news(&self) -> (Option<KafkaError>, Vec<i32>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        (held.failed.take(), std::mem::take(&mut held.lost))
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, assigned: &TopicPartitionList) -> KafkaResult<()> {
        let mut list = TopicPartitionList::with_capacity(assigned.count());
        for element in assigned.elements() {
            list.add_partition(element.topic(), element.partition());
        }
        if self.leaving.load(Ordering::Relaxed) {
            // A coordinator that sees the member go may not answer for it any more.
            list.set_all_offsets(Offset::Stored)?;
            return assign(consumer, &list);
        }
        let committed = committed(consumer, list)?;
        let mut starts = TopicPartitionList::with_capacity(committed.count());
        let mut begins = BTreeMap::new();
        let mut begun = TopicPartitionList::new();
        for element in committed.elements() {
            element.error()?;
            let partition = element.partition();
            let offset = match element.offset() {
                Offset::Offset(offset) => offset,
                // A partition that was added since then begins at its own beginning.
                _ => {
                    let start = self.starts.get(&partition).copied().unwrap_or(0);
                    begun.add_partition_offset(&self.topic, partition, Offset::Offset(start))?;
                    start
                }
            };
            starts.add_partition_offset(&self.topic, partition, Offset::Offset(offset))?;
            begins.insert(partition, offset);
        }
        assign(consumer, &starts)?;
        if begun.count() > 0 {
            // From here on the start is the group's position, also for a replica that takes the partition over.
            consumer.store_offsets(&begun)?;
        }
        let count = match find(consumer.client(), &self.topic, COUNT) {
            Ok(Found::Partitions(partitions)) => partitions.len(),
            _ => 0,
        };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.partitions.extend(begins);
        held.of = held.of.max(count);
        Ok(())
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, revoked: &TopicPartitionList) -> KafkaResult<()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for element in revoked.elements() {
            held.partitions.remove(&element.partition());
            held.lost.push(element.partition());
        }
        drop(held);
        // Both commit what is done first.
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_unassign(revoked),
            _ => consumer.unassign(),
        }
    }
}

fn assign(consumer: &BaseConsumer<Group>, starts: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(starts),
        _ => consumer.assign(starts),
    }
}

/// What the group has committed, asking again while a coordinator is on its way.
fn committed(consumer: &BaseConsumer<Group>, list: TopicPartitionList) -> KafkaResult<TopicPartitionList> {
    if list.count() == 0 {
        return Ok(list);
    }
    let until = Instant::now() + COMMITTED;
    loop {
        match consumer.committed_offsets(list.clone(), COMMITTED) {
            Ok(offsets) => return Ok(offsets),
            Err(error) if trouble::is_fatal(&error) || Instant::now() >= until => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        trouble::log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.trouble.note(&error, reason);
    }

    fn stats(&self, mut statistics: Statistics) {
        let Some(topic) = statistics.topics.remove(&self.topic) else { return };
        let known = topic.partitions.iter();
        // Negative where nothing has been fetched or stored yet.
        let known = known.filter_map(|(id, at)| Some((*id, u64::try_from(at.consumer_lag_stored).ok()?)));
        self.held.lock().unwrap_or_else(PoisonError::into_inner).behind = known.collect();
    }
}

impl ConsumerContext for Group {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let done = match kind {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(consumer, list),
            _ => self.revoke(consumer, list),
        };
        if let Err(error) = done {
            self.held.lock().unwrap_or_else(PoisonError::into_inner).failed = Some(error);
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(%error, "kafka did not take a position; it is sent again with the next one");
        }
    }
}
