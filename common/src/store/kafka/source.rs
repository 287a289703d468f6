//! The reading side: a topic that exists.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::BaseConsumer;

use super::follow::Follower;
use super::marks;
use super::metadata;
use super::offsets::{Which, query};
use super::read::Reader;
use super::settings::{Role, Settings, refused};
use super::trouble::Plain;
use crate::store::{KafkaUrl, PartitionPlan, Plan, SLACK, Start, StoreError};
use crate::time::{Timestamp, Window};

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
        let from = self.offsets(from)?;
        let to = self.offsets(Which::At(window.to().after(SLACK)))?;
        let late = self.late(window);
        let late = |partition: &i32| late.get(partition).copied().unwrap_or(0);
        let partition = |partition: &i32| {
            let end = (*ends.get(partition)?)?;
            let from = (*from.get(partition)?)?;
            let to = to.get(partition).copied().flatten().map_or(end, |to| to.max(late(partition)).min(end));
            (from < to).then_some(PartitionPlan { partition: *partition, from, to })
        };
        Ok(Plan { window, partitions: self.partitions.iter().filter_map(partition).collect() })
    }

    /// Behind which offset of each partition no late record of the window stands.
    fn late(&self, window: Window) -> BTreeMap<i32, i64> {
        match marks::read(&self.consumer, &self.url.topic, self.partitions.iter().copied()) {
            Ok(all) => all.into_iter().filter_map(|(p, marks)| Some((p, marks.end(window)?))).collect(),
            Err(error) => {
                tracing::warn!(
                    %error,
                    "kafka does not say where late records stand; what came through a spool may be missing: allow the group {}",
                    marks::GROUP
                );
                BTreeMap::new()
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
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("url", &self.url).field("partitions", &self.partitions).finish_non_exhaustive()
    }
}
