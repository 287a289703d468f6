//! A planned window, its partitions mixed as they come.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::join::Joiner;
use super::metadata::unreachable;
use super::partition::{Progress, Step};
use super::settings::{Role, Settings, refused};
use super::trouble::{self, Plain};
use super::waiting;
use crate::store::{KafkaUrl, Next, Plan, Position, Read, StoreError, Stored};

/// After so many times what a broker has for an answer without anything the read has failed, whatever the brokers say.
const FAILED: u32 = 4;
/// A planned record is on a broker: where nothing comes for such a part of that time, something is wrong.
const QUIET: u32 = 3;
/// Before a broker is asked again that did not answer.
const RETRY: Duration = Duration::from_secs(1);
/// For one question to a broker meanwhile.
const ANSWER: Duration = Duration::from_secs(5);

/// Reads one plan. Nobody else is involved: no group, no position that is kept.
pub(in crate::store) struct Reader {
    url: KafkaUrl,
    consumer: BaseConsumer<Plain>,
    partitions: BTreeMap<i32, Progress>,
    joiner: Joiner,
    /// Ends that are to be told.
    ends: VecDeque<i32>,
    /// Planned offsets that were removed before they were read.
    gone: u64,
    /// How long nothing may come at all.
    patience: Duration,
    /// Since when a partition may be asked for what it has not; which one is not said.
    astray: Option<Instant>,
    /// When something last came, or the brokers last answered.
    heard: Instant,
    /// When something last came.
    progressed: Instant,
    /// When it was last asked for something: silence counts only while somebody listens.
    asked: Instant,
}

impl Reader {
    pub(super) fn new(settings: &Settings, url: &KafkaUrl, plan: &Plan) -> Result<Self, StoreError> {
        let config = settings.config(Role::Read);
        let consumer = BaseConsumer::from_config_and_context(&config, Plain::default()).map_err(refused)?;
        let mut assignment = TopicPartitionList::with_capacity(plan.partitions.len());
        for part in &plan.partitions {
            assignment.add_partition_offset(&url.topic, part.partition, Offset::Offset(part.from))?;
        }
        consumer.assign(&assignment)?;
        let now = Instant::now();
        Ok(Self {
            url: url.clone(),
            consumer,
            partitions: plan.partitions.iter().map(|part| (part.partition, Progress::new(*part))).collect(),
            joiner: Joiner::ignoring_before(plan.window.from().as_millis()),
            ends: VecDeque::new(),
            gone: 0,
            patience: FAILED * settings.socket_timeout(),
            astray: None,
            heard: now,
            progressed: now,
            asked: now,
        })
    }

    /// One event of the consumer; `None` where it was no record.
    fn event(&mut self, wait: Duration) -> Result<Option<Stored>, StoreError> {
        let Self { consumer, partitions, joiner, astray, .. } = self;
        let mut heard = true;
        let mut stored = None;
        let mut ended = None;
        match consumer.poll(wait) {
            Some(Ok(message)) => {
                if let Some(progress) = partitions.get_mut(&message.partition()) {
                    if progress.message(message.offset()) == Step::Take {
                        stored = joiner.message(&message);
                    }
                    ended = progress.take_end().then_some(message.partition());
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                if let Some(progress) = partitions.get_mut(&partition) {
                    progress.end_of_log();
                }
            }
            Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) => {
                *astray = Some(Instant::now());
            }
            Some(Err(error)) if trouble::is_fatal(&error) => return Err(error.into()),
            Some(Err(error)) if trouble::is_missing(&error) => {
                return Err(StoreError::NoTopic { topic: self.url.topic.clone(), brokers: self.url.brokers.clone() });
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "kafka is in trouble; waiting");
                heard = false;
            }
            None => heard = false,
        }
        if let Some(partition) = ended {
            // Nothing behind the plan's end is worth fetching.
            self.consumer.pause(&self.one(partition))?;
            self.end(partition);
        }
        if heard {
            self.heard = Instant::now();
            self.progressed = self.heard;
        }
        Ok(stored)
    }

    /// Finds the partitions that are asked for what they have not. They go on where their logs begin now; what would have
    /// come before is counted.
    fn find_the_way(&mut self) -> Result<(), StoreError> {
        self.astray = None;
        let open: Vec<i32> = self.partitions.iter().filter(|(_, p)| !p.has_ended()).map(|(id, _)| *id).collect();
        let (mut found, mut in_range) = (false, Vec::new());
        for partition in open {
            let Ok((low, high)) = self.consumer.fetch_watermarks(&self.url.topic, partition, ANSWER) else {
                // Asked again later: it may be this one.
                self.astray = Some(Instant::now() + RETRY);
                continue;
            };
            let Some(progress) = self.partitions.get_mut(&partition) else { continue };
            let gone = progress.begins_at(low);
            if gone > 0 {
                tracing::warn!(partition, gone, "records were removed from the log before they were read");
                (self.gone, found) = (self.gone + gone, true);
                if progress.take_end() {
                    self.end(partition);
                } else {
                    self.ask_again(partition)?;
                }
            } else if progress.next() > high {
                found = true;
                progress.is_beyond = true;
                progress.end_of_log();
            } else {
                in_range.push(partition);
            }
        }
        if !found && self.astray.is_none() {
            in_range.into_iter().try_for_each(|partition| self.ask_again(partition))?;
        }
        Ok(())
    }

    /// Asks a partition for what has not come yet.
    fn ask_again(&mut self, partition: i32) -> Result<(), StoreError> {
        let Some(progress) = self.partitions.get_mut(&partition) else { return Ok(()) };
        progress.ask_again();
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(&self.url.topic, partition, Offset::Offset(progress.next()))?;
        self.consumer.incremental_unassign(&list)?;
        self.consumer.incremental_assign(&list)?;
        if progress.held {
            self.consumer.pause(&list)?;
        }
        Ok(())
    }

    /// Looks after partitions from which nothing more comes.
    fn check_silence(&mut self) -> Result<(), StoreError> {
        if self.astray.is_some_and(|at| at <= Instant::now()) {
            self.find_the_way()?;
        }
        let quiet = self.patience / QUIET;
        let stuck: Vec<i32> = self.partitions.iter().filter(|(_, p)| p.is_stuck()).map(|(id, _)| *id).collect();
        for partition in stuck {
            let (_, high) = self.consumer.fetch_watermarks(&self.url.topic, partition, ANSWER).unwrap_or((0, 0));
            let Some(progress) = self.partitions.get_mut(&partition) else { continue };
            let cut = high < progress.to();
            if cut && progress.stuck_for() < quiet {
                continue;
            }
            if !cut && progress.is_beyond {
                self.ask_again(partition)?;
                continue;
            }
            if cut {
                tracing::warn!(partition, high, planned = progress.to(), "the log was cut short while it was read");
            }
            progress.give_up();
            if progress.take_end() {
                self.end(partition);
            }
        }
        if self.heard.elapsed() < quiet || !self.partitions.values().any(Progress::is_active) {
            return Ok(());
        }
        self.consumer
            .fetch_metadata(Some(&self.url.topic), ANSWER)
            .map_err(|error| unreachable(&self.url.brokers, &self.consumer, &error))?;
        if self.progressed.elapsed() >= self.patience {
            return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut).into());
        }
        self.heard = Instant::now();
        Ok(())
    }

    /// What is not whole by now has parts behind the plan's end, or none: it is told before the end is.
    fn end(&mut self, partition: i32) {
        self.joiner.end(partition);
        self.ends.push_back(partition);
    }

    /// What comes until then.
    fn until(&mut self, until: Instant) -> Result<Next, StoreError> {
        loop {
            if let Some(stored) = self.joiner.next_given_up() {
                return Ok(Next::Record(stored));
            }
            if let Some(partition) = self.ends.pop_front() {
                return Ok(Next::PartitionEnd(partition));
            }
            if self.partitions.values().all(Progress::has_ended) {
                return Ok(Next::End);
            }
            let left = waiting::left(until);
            if let Some(stored) = self.event(left)? {
                return Ok(Next::Record(stored));
            }
            self.check_silence()?;
            if left.is_zero() && self.ends.is_empty() && !self.joiner.has_given_up() {
                return Ok(Next::Idle);
            }
        }
    }

    fn one(&self, partition: i32) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(&self.url.topic, partition);
        list
    }
}

impl Read for Reader {
    fn next(&mut self, wait: Duration) -> Result<Next, StoreError> {
        let now = Instant::now();
        let away = now.saturating_duration_since(self.asked);
        self.heard += away;
        self.progressed += away;
        let next = self.until(now + wait);
        self.asked = Instant::now();
        next
    }

    fn hold(&mut self, partition: i32, held: bool) -> Result<(), StoreError> {
        let list = self.one(partition);
        let Some(progress) = self.partitions.get_mut(&partition) else { return Ok(()) };
        if progress.has_ended() || progress.held == held {
            return Ok(());
        }
        progress.held = held;
        let done = if held { self.consumer.pause(&list) } else { self.consumer.resume(&list) };
        self.heard = Instant::now();
        self.progressed = self.heard;
        Ok(done?)
    }

    fn restart(&mut self, upto: Position) -> i64 {
        self.joiner.restart(upto)
    }

    fn gone(&self) -> u64 {
        self.gone
    }
}
