//! The live tail of the topic, as a member of a consumer group.

use std::collections::{BTreeMap, VecDeque};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::astray::Astray;
use super::group::Group;
use super::join::Joiner;
use super::settings::{Role, Settings, refused};
use super::{trouble, waiting};
use crate::store::{Follow, Next, Position, Share, StoreError, Stored};

/// While brokers are away, that is said this often.
const WARN_EVERY: Duration = Duration::from_secs(30);

/// Well within librdkafka's `max.poll.interval.ms` of five minutes.
const SIGN_OF_LIFE: Duration = Duration::from_secs(60);

/// For what is done to be kept, and the group to be left.
const LEAVE: Duration = Duration::from_secs(10);

/// Follows one topic. Brokers that are away are waited for: a follower has nothing better to do.
pub(in crate::store) struct Follower {
    brokers: String,
    topic: String,
    consumer: BaseConsumer<Group>,
    joiner: Joiner,
    astray: Astray,
    warned: Option<Instant>,
    /// When the group last heard from this member.
    polled: Instant,
    /// What came while none was asked for.
    ahead: VecDeque<Stored>,
}

impl Follower {
    pub(super) fn new(
        settings: &Settings,
        topic: &str,
        group: &str,
        starts: BTreeMap<i32, i64>,
    ) -> Result<Self, StoreError> {
        let config = settings.config(Role::Follow(group));
        let consumer = BaseConsumer::from_config_and_context(&config, Group::new(topic, starts)).map_err(refused)?;
        consumer.subscribe(&[topic])?;
        Ok(Self {
            brokers: settings.brokers.clone(),
            topic: topic.to_owned(),
            consumer,
            joiner: Joiner::new(),
            astray: Astray::default(),
            warned: None,
            polled: Instant::now(),
            ahead: VecDeque::new(),
        })
    }

    fn poll(&mut self, wait: Duration) -> Result<Next, StoreError> {
        self.polled = Instant::now();
        let until = self.polled + wait;
        loop {
            self.joiner.tend();
            if let Some(stored) = self.joiner.next_given_up() {
                return Ok(Next::Record(stored));
            }
            let left = waiting::left(until);
            let polled = self.consumer.poll(left);
            let (failure, lost) = self.consumer.client().context().news();
            lost.into_iter().for_each(|partition| self.joiner.forget(partition));
            let error = match polled {
                Some(Ok(message)) => match self.joiner.message(&message) {
                    Some(stored) => return Ok(Next::Record(stored)),
                    None => None,
                },
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.joiner.at_end(partition);
                    None
                }
                Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) => {
                    self.astray.note();
                    None
                }
                Some(Err(error)) => Some(error),
                None => None,
            };
            if let Some(error) = failure {
                return Err(error.into());
            }
            if let Some(error) = error {
                self.judge(error)?;
            }
            if self.astray.is_due() {
                let begun = self.consumer.client().context().begun();
                let next =
                    begun.into_iter().map(|(id, begin)| (id, self.joiner.last(id).map_or(begin, |last| last + 1)));
                self.astray.lead(&self.consumer, &self.topic, next);
            }
            if left.is_zero() {
                return Ok(Next::Idle);
            }
        }
    }

    fn judge(&mut self, error: KafkaError) -> Result<(), StoreError> {
        if trouble::is_fatal(&error) {
            return Err(error.into());
        }
        if trouble::is_missing(&error) {
            return Err(StoreError::NoTopic { topic: self.topic.clone(), brokers: self.brokers.clone() });
        }
        if self.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            self.warned = Some(Instant::now());
            let why = self.consumer.client().context().trouble.last().unwrap_or_else(|| error.to_string());
            tracing::warn!(brokers = %self.brokers, %why, "kafka is in trouble; waiting for it");
        }
        Ok(())
    }
}

impl Follow for Follower {
    fn next(&mut self, wait: Duration) -> Result<Next, StoreError> {
        match self.ahead.pop_front() {
            Some(stored) => Ok(Next::Record(stored)),
            None => self.poll(wait),
        }
    }

    fn done(&mut self, upto: Position) -> Result<(), StoreError> {
        // What a rebalance took away is another replica's to do.
        if !self.consumer.client().context().holds(upto.partition) {
            return Ok(());
        }
        // As a list: `store_offset`, for one, adds one by itself.
        let mut next = TopicPartitionList::with_capacity(1);
        let restart = self.joiner.restart(upto);
        next.add_partition_offset(&self.topic, upto.partition, Offset::Offset(restart))?;
        Ok(self.consumer.store_offsets(&next)?)
    }

    /// A member that does not poll is taken for dead after `max.poll.interval.ms`. A poll of paused partitions gives no
    /// record, but drops what was fetched ahead: it is done seldom.
    fn tend(&mut self) -> Result<(), StoreError> {
        if self.polled.elapsed() < SIGN_OF_LIFE {
            return Ok(());
        }
        let held = self.consumer.assignment()?;
        self.consumer.pause(&held)?;
        let next = self.poll(Duration::ZERO);
        // A rebalance in between has taken partitions away, or given some that were never paused.
        let _ = self.consumer.resume(&held);
        if let Next::Record(stored) = next? {
            self.ahead.push_back(stored);
        }
        Ok(())
    }

    fn gone(&self) -> &BTreeMap<i32, u64> {
        self.astray.gone()
    }

    fn behind(&self) -> Result<Option<u64>, StoreError> {
        Ok(self.consumer.client().context().behind())
    }

    fn share(&self) -> Share {
        self.consumer.client().context().share()
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        let Self { brokers, consumer, .. } = *self;
        let (tell, told) = crossbeam_channel::bounded(1);
        consumer.client().context().leave();
        // librdkafka has no deadline for either: without brokers it tries for minutes. The thread is left to that.
        let leave = move || {
            let kept = consumer.commit_consumer_state(CommitMode::Sync);
            drop(consumer);
            let _ = tell.send(kept);
        };
        let late = |why: String| StoreError::Unreachable { brokers: brokers.clone(), why };
        thread::Builder::new().name("umbra-leave".into()).spawn(leave).map_err(|e| late(e.to_string()))?;
        match told.recv_timeout(LEAVE) {
            // Nothing new was done, or nothing is held; in a rebalance, leaving has kept it.
            Ok(
                Ok(())
                | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset | RDKafkaErrorCode::RebalanceInProgress)),
            ) => Ok(()),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(late(format!("what was done last is not kept after {LEAVE:?}, and will be done again"))),
        }
    }
}
