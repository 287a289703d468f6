//! The reading side: a topic that exists.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::BaseConsumer;

use super::follow::Follower;
use super::keep::Keeper;
use super::kept;
use super::marks;
use super::metadata;
use super::offsets::{Which, query};
use super::read::Reader;
use super::settings::{Role, Settings, refused};
use super::trouble::{self, Plain};
use crate::store::{
    Expired, KafkaUrl, Kept, Mark, Next, PartitionPlan, Plan, Position, Read, SLACK, Start, StoreError, Stored,
};
use crate::time::{Timestamp, Window};

/// As many records are looked at at a partition's beginning or end: one alone may be of before the window, or of no time.
const LOOK: i64 = 100;
/// One such look.
const READ: std::time::Duration = std::time::Duration::from_millis(100);

/// A Kafka store opened for reading.
pub struct Source {
    url: KafkaUrl,
    settings: Settings,
    consumer: BaseConsumer<Plain>,
    partitions: Vec<i32>,
}

impl Source {
    pub(in crate::store) fn open(url: &KafkaUrl, properties: &BTreeMap<String, String>) -> Result<Self, StoreError> {
        let settings = Settings::new(url, properties)?;
        let config = settings.config(Role::Marks);
        let consumer = BaseConsumer::from_config_and_context(&config, Plain::default()).map_err(refused)?;
        let partitions = metadata::partitions(&consumer, url)?;
        Ok(Self { url: url.clone(), settings, consumer, partitions })
    }

    fn offsets(&self, which: Which) -> Result<BTreeMap<i32, Option<i64>>, StoreError> {
        query(&self.consumer, &self.url.topic, &self.partitions, which)
    }

    pub(in crate::store) fn plan(&self, window: Window) -> Result<Plan, StoreError> {
        // A broker that stamps records with its own time may be behind the recorder's clock: slack on both sides.
        let from = match window.from().before(SLACK) {
            Timestamp::ZERO => Which::First,
            time => Which::At(time),
        };
        // The ends first: what is appended from here on is not in the plan.
        let ends = self.offsets(Which::Next)?;
        let from = self.beginnings(window, from, &ends)?;
        let to = self.offsets(Which::At(window.to().after(SLACK)))?;
        let late = self.late(window)?;
        let late = |partition: &i32| late.get(partition).copied().unwrap_or(0);
        let partition = |partition: &i32| {
            let end = (*ends.get(partition)?)?;
            let from = *from.get(partition)?;
            let to = to.get(partition).copied().flatten().map_or(end, |to| to.max(late(partition)).min(end));
            (from < to).then_some(PartitionPlan { partition: *partition, from, to })
        };
        Ok(Plan { window, partitions: self.partitions.iter().filter_map(partition).collect() })
    }

    /// Where a window begins in each partition that has anything of it.
    ///
    /// A broker looks for a time in the first segment of a log that seems to be as late, and where compaction has emptied
    /// that segment it says that nothing is as late (Kafka 3.9, `UnifiedLog.fetchOffsetByTimestamp`). So the last records
    /// have a say, too: where they are of the window or later, such a partition is read from its beginning.
    fn beginnings(
        &self,
        window: Window,
        from: Which,
        ends: &BTreeMap<i32, Option<i64>>,
    ) -> Result<BTreeMap<i32, i64>, StoreError> {
        let found = self.offsets(from)?;
        let end = |partition: &i32| ends.get(partition).copied().flatten().unwrap_or(0);
        let unknown = found.iter().filter(|(partition, found)| found.is_none() && end(partition) > 0);
        let tails: Vec<_> = unknown
            .map(|(partition, _)| PartitionPlan {
                partition: *partition,
                from: (end(partition) - LOOK).max(0),
                to: end(partition),
            })
            .collect();
        let mut begins: BTreeMap<i32, i64> = found.into_iter().filter_map(|(p, offset)| Some((p, offset?))).collect();
        if tails.is_empty() {
            return Ok(begins);
        }
        let firsts = self.offsets(Which::First)?;
        let mut reader = self.read(&Plan { window: Window::ALL, partitions: tails })?;
        loop {
            match reader.next(READ)? {
                Next::Record(Stored { position: Position { partition, .. }, exchange: Ok(exchange), .. }) => {
                    if exchange.arrival >= window.from() {
                        begins.insert(partition, firsts.get(&partition).copied().flatten().unwrap_or(0));
                    }
                }
                Next::Record(_) | Next::Idle | Next::PartitionEnd(_) => {}
                Next::End => return Ok(begins),
            }
        }
    }

    /// Behind which offset of each partition no late record of the window stands.
    fn late(&self, window: Window) -> Result<BTreeMap<i32, i64>, StoreError> {
        match marks::find(&self.consumer, &self.url.topic, &self.partitions) {
            Ok(all) => Ok(all.into_iter().filter_map(|(p, marks)| Some((p, marks.end(window)?))).collect()),
            Err(error) if trouble::is_fatal(&error) => {
                tracing::warn!(
                    %error,
                    "kafka does not say where late records stand; what came through a spool may be missing: allow the group {}",
                    marks::GROUP
                );
                Ok(BTreeMap::new())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A partition has lost the beginning of a window where records have been removed from it and none is left that is
    /// older than the window.
    pub(in crate::store) fn expired(&self, plan: &Plan) -> Result<Option<Expired>, StoreError> {
        let firsts = self.offsets(Which::First)?;
        let (begins, ends) = (self.offsets(Which::At(plan.window.from()))?, self.offsets(Which::Next)?);
        let of = |all: &BTreeMap<i32, Option<i64>>, partition: &i32| all.get(partition).copied().flatten();
        let has_lost = |partition: &i32| {
            let first = of(&firsts, partition).unwrap_or(0);
            // Where no record is as late as the window, the first that would be is the next one.
            let begin = of(&begins, partition).or(of(&ends, partition));
            first > 0 && begin.is_none_or(|begin| begin <= first)
        };
        let mut lost = self.partitions.iter().filter(|partition| has_lost(partition)).peekable();
        if lost.peek().is_none() {
            return Ok(None);
        }
        let lost: Vec<i32> = lost.copied().collect();
        Ok(Some(Expired { left_from: self.first_arrival(plan, &lost)? }))
    }

    /// The latest of the first arrivals in some partitions: from there on nothing is missing.
    fn first_arrival(&self, plan: &Plan, partitions: &[i32]) -> Result<Option<Timestamp>, StoreError> {
        let planned = plan.partitions.iter().filter(|part| partitions.contains(&part.partition));
        let heads = planned.map(|part| PartitionPlan { to: part.to.min(part.from + LOOK), ..*part }).collect();
        let mut reader = self.read(&Plan { window: plan.window, partitions: heads })?;
        let mut firsts: BTreeMap<i32, Timestamp> = BTreeMap::new();
        loop {
            match reader.next(READ)? {
                Next::Record(Stored { position, exchange: Ok(exchange), .. }) => {
                    if plan.window.contains(exchange.arrival) {
                        let first = firsts.entry(position.partition).or_insert(exchange.arrival);
                        *first = exchange.arrival.min(*first);
                    }
                }
                Next::Record(_) | Next::Idle | Next::PartitionEnd(_) => {}
                Next::End => return Ok(firsts.into_values().max()),
            }
        }
    }

    pub(in crate::store) fn read(&self, plan: &Plan) -> Result<Reader, StoreError> {
        Reader::new(&self.settings, &self.url, plan)
    }

    pub(in crate::store) fn follow(&self, group: &str, start: Start) -> Result<Follower, StoreError> {
        let starts = match start {
            Start::Latest => self.offsets(Which::Next)?,
            Start::Earliest => self.offsets(Which::First)?,
            Start::At(time) => {
                let ends = self.offsets(Which::Next)?;
                let at = self.offsets(Which::At(time))?;
                ends.into_iter().map(|(p, end)| (p, at.get(&p).copied().flatten().or(end))).collect()
            }
        };
        let starts = starts.into_iter().map(|(partition, offset)| (partition, offset.unwrap_or(0))).collect();
        Follower::new(&self.settings, &self.url.topic, group, starts)
    }

    pub(in crate::store) fn keep(&self, name: &str) -> Result<Keeper, StoreError> {
        Keeper::take(&self.settings, &self.url.topic, name)
    }

    pub(in crate::store) fn marks(&self, name: &str) -> Result<Vec<Mark>, StoreError> {
        kept::marks(&self.settings, &self.url.topic, &self.partitions, name)
    }

    pub(in crate::store) fn kept(&self, prefix: &str) -> Result<Vec<Kept>, StoreError> {
        kept::names(&self.consumer, prefix)
    }

    pub(in crate::store) fn forget(&self, name: &str) -> Result<(), StoreError> {
        kept::forget(&self.settings, name)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("url", &self.url).field("partitions", &self.partitions).finish_non_exhaustive()
    }
}
