//! Checkpoints as a consumer group's committed offsets, with notes in their metadata.
//!
//! Whoever may follow may keep a job: no topic is made and nothing is written to one. The holder is the group's one
//! member, so the hold is the broker's to judge, by the broker's clock: a member that goes silent is put out within
//! `session.timeout.ms`, and what it commits afterwards is refused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::settings::{Role, Settings, refused};
use super::trouble::{self, Trouble};
use crate::store::keep::HOLD_WITHIN;
use crate::store::{Keep, Mark, StoreError};

/// For a broker to say who is in a group.
const ANSWER: Duration = Duration::from_secs(5);
/// Between two looks at a name that another process holds.
const LOOK: Duration = Duration::from_millis(250);
/// For the group to take a member in: brokers wait 3 s by default before an empty group begins.
const JOIN: Duration = Duration::from_secs(30);
/// For the group to be left.
const LEAVE: Duration = Duration::from_secs(5);

/// Holds one name.
pub(in crate::store) struct Keeper {
    /// Gone only while this is dropped.
    membership: Option<Membership>,
    name: String,
}

/// The one membership of a group.
struct Membership {
    topic: String,
    name: String,
    consumer: Arc<BaseConsumer<Member>>,
    commits: Commits,
    /// What was committed last for each partition.
    kept: BTreeMap<i32, Mark>,
    /// What may have been committed since.
    asked: Vec<Mark>,
}

/// The holder's context.
#[derive(Default)]
struct Member {
    state: Mutex<State>,
    trouble: Trouble,
}

#[derive(Default)]
struct State {
    joined: bool,
    /// The broker has put this member out, and it has not been seen since that nobody else came.
    lost: bool,
    failed: Option<KafkaError>,
}

impl Keeper {
    pub(super) fn take(settings: &Settings, topic: &str, name: &str) -> Result<Self, StoreError> {
        let membership = Membership::take(settings, topic, name)?;
        Ok(Self { membership: Some(membership), name: name.to_owned() })
    }

    fn membership(&mut self) -> Result<&mut Membership, StoreError> {
        self.membership.as_mut().ok_or_else(|| StoreError::Taken { name: self.name.clone() })
    }
}

impl Membership {
    fn take(settings: &Settings, topic: &str, name: &str) -> Result<Self, StoreError> {
        let until = Instant::now() + HOLD_WITHIN;
        let mut said = false;
        let held = || StoreError::Held { name: name.to_owned() };
        loop {
            let config = settings.config(Role::Keep(name));
            let consumer = BaseConsumer::from_config_and_context(&config, Member::default()).map_err(refused)?;
            let consumer = Arc::new(consumer);
            let commits = Commits::start(Arc::clone(&consumer))?;
            let member = Self {
                topic: topic.to_owned(),
                name: name.to_owned(),
                consumer,
                commits,
                kept: BTreeMap::new(),
                asked: Vec::new(),
            };
            while member.members(until)? > 0 {
                if Instant::now() >= until {
                    return Err(held());
                }
                if !std::mem::replace(&mut said, true) {
                    tracing::info!(name, within = ?HOLD_WITHIN, "another process holds the name; waiting for it to end");
                }
                thread::sleep(LOOK);
            }
            member.join()?;
            if member.members(Instant::now() + ANSWER)? == 1 {
                return Ok(member);
            }
            // Two came at once: both leave, and try again after different times.
            member.leave();
            if Instant::now() >= until {
                return Err(held());
            }
            thread::sleep(Duration::from_millis(fastrand::u64(100..2_000)));
        }
    }

    fn members(&self, until: Instant) -> Result<usize, StoreError> {
        loop {
            match self.consumer.fetch_group_list(Some(&self.name), ANSWER) {
                Ok(list) => return Ok(list.groups().iter().map(|group| group.members().len()).sum()),
                Err(error) if trouble::is_fatal(&error) || Instant::now() >= until => return Err(error.into()),
                Err(_) => thread::sleep(LOOK),
            }
        }
    }

    fn join(&self) -> Result<(), StoreError> {
        self.consumer.subscribe(&[&self.topic])?;
        let until = Instant::now() + JOIN;
        while !self.state().joined {
            self.poll(LOOK)?;
            if Instant::now() >= until {
                let why = self.consumer.client().context().trouble.last();
                let why = why.unwrap_or_else(|| "the group's coordinator does not answer".into());
                return Err(StoreError::NotKept { name: self.name.clone(), why });
            }
        }
        Ok(())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.consumer.client().context().state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the group's events come. Records never do: nothing is assigned.
    fn poll(&self, wait: Duration) -> Result<(), StoreError> {
        if let Some(Err(error)) = self.consumer.poll(wait)
            && trouble::is_fatal(&error)
        {
            return Err(error.into());
        }
        let mut state = self.state();
        match state.failed.take() {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    fn list(&self, marks: &[Mark]) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(marks.len());
        for mark in marks {
            let mut element = list.add_partition(&self.topic, mark.position.partition);
            element.set_offset(Offset::Offset(mark.position.offset))?;
            element.set_metadata(&mark.note);
        }
        Ok(list)
    }

    fn judge(&self, error: KafkaError) -> Result<(), StoreError> {
        use RDKafkaErrorCode as Code;
        match error.rdkafka_error_code() {
            Some(Code::UnknownMemberId | Code::IllegalGeneration) => {
                let mut state = self.state();
                (state.lost, state.joined) = (true, false);
                Ok(())
            }
            Some(Code::FencedInstanceId) => Err(self.taken()),
            Some(Code::OffsetMetadataTooLarge) => Err(StoreError::NotKept {
                name: self.name.clone(),
                why: format!("the brokers' offset.metadata.max.bytes is below {}", Mark::LONGEST_NOTE),
            }),
            _ if trouble::is_fatal(&error) => Err(error.into()),
            _ => {
                tracing::debug!(%error, name = %self.name, "kafka did not take a checkpoint; it is sent again");
                Ok(())
            }
        }
    }

    fn keep(&mut self, marks: &[Mark], wait: Duration) -> Result<bool, StoreError> {
        let until = Instant::now() + wait;
        // Whether what is under way is these marks; an older commit is waited for, so that it cannot come after.
        let mut is_ours = false;
        loop {
            self.poll(Duration::ZERO)?;
            if !self.is_member()? {
                thread::sleep(RETRY);
            } else if !self.commits.is_under_way {
                let list = self.list(marks)?;
                self.asked.extend_from_slice(marks);
                self.commits.begin(list);
                is_ours = true;
            }
            match self.commits.answer(LOOK_FOR_ANSWER) {
                Some(Ok(())) => {
                    self.kept.extend(self.asked.drain(..).map(|mark| (mark.position.partition, mark)));
                    if is_ours {
                        return Ok(true);
                    }
                }
                Some(Err(error)) => {
                    self.judge(error)?;
                    thread::sleep(RETRY);
                }
                None => {}
            }
            if Instant::now() >= until {
                return Ok(false);
            }
        }
    }

    /// Whether commits are this process's to make. A member that was put out, because it or its broker stood still, is taken
    /// in again by itself; the name is still its own if it is alone, and nobody has committed anything in between.
    fn is_member(&mut self) -> Result<bool, StoreError> {
        let (lost, joined) = {
            let state = self.state();
            (state.lost, state.joined)
        };
        if !lost || !joined {
            return Ok(joined);
        }
        if self.members(Instant::now() + ANSWER)? != 1 {
            return Err(self.taken());
        }
        let mut list = TopicPartitionList::new();
        for partition in self.kept.keys() {
            list.add_partition(&self.topic, *partition);
        }
        let Ok(committed) = self.consumer.committed_offsets(list, ANSWER) else { return Ok(false) };
        let is_mine = committed.elements().iter().all(|element| {
            let is_it = |mark: &Mark| {
                element.offset() == Offset::Offset(mark.position.offset) && element.metadata() == mark.note
            };
            let partition = element.partition();
            let asked = self.asked.iter().filter(|mark| mark.position.partition == partition);
            self.kept.get(&partition).into_iter().chain(asked).any(is_it)
        });
        if !is_mine {
            return Err(self.taken());
        }
        tracing::info!(name = %self.name, "the group has taken this process in again, and nobody came in between");
        self.state().lost = false;
        Ok(true)
    }

    fn taken(&self) -> StoreError {
        StoreError::Taken { name: self.name.clone() }
    }

    /// librdkafka has no deadline for it: without brokers it tries for minutes. The thread is left to that.
    fn leave(self) {
        let (tell, told) = bounded(1);
        let leave = move || {
            let Self { consumer, commits, .. } = self;
            commits.end();
            // The last one: it leaves the group.
            drop(consumer);
            let _ = tell.send(());
        };
        if thread::Builder::new().name("umbra-leave".into()).spawn(leave).is_ok() {
            let _ = told.recv_timeout(LEAVE);
        }
    }
}

/// Between two attempts to commit.
const RETRY: Duration = Duration::from_millis(50);
/// One look for the answer to a commit.
const LOOK_FOR_ANSWER: Duration = Duration::from_millis(20);

/// A thread for commits: librdkafka answers only who waits for it, and may take minutes where brokers are away.
struct Commits {
    asked: Sender<TopicPartitionList>,
    answers: Receiver<KafkaResult<()>>,
    is_under_way: bool,
    thread: JoinHandle<()>,
}

impl Commits {
    fn start(consumer: Arc<BaseConsumer<Member>>) -> Result<Self, StoreError> {
        let (asked, lists) = bounded::<TopicPartitionList>(1);
        let (answer, answers) = bounded(1);
        let work = move || {
            for list in lists {
                if answer.send(consumer.commit(&list, CommitMode::Sync)).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("umbra-keep".into()).spawn(work);
        let thread = thread.map_err(|e| StoreError::Property(format!("client cannot start a thread: {e}")))?;
        Ok(Self { asked, answers, is_under_way: false, thread })
    }

    fn begin(&mut self, list: TopicPartitionList) {
        // There is room, and the thread lives: it ends with its owner.
        self.is_under_way = self.asked.send(list).is_ok();
    }

    fn answer(&mut self, wait: Duration) -> Option<KafkaResult<()>> {
        let answer = self.answers.recv_timeout(wait).ok();
        self.is_under_way &= answer.is_none();
        answer
    }

    /// Waits for a commit that is under way.
    fn end(self) {
        let Self { asked, answers, thread, .. } = self;
        drop((asked, answers));
        let _ = thread.join();
    }
}

impl Keep for Keeper {
    fn keep(&mut self, marks: &[Mark], wait: Duration) -> Result<bool, StoreError> {
        self.membership()?.keep(marks, wait)
    }

    fn tend(&mut self) -> Result<(), StoreError> {
        self.membership()?.poll(Duration::ZERO)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(membership) = self.membership.take() {
            membership.leave();
        }
    }
}

impl ClientContext for Member {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        trouble::log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.trouble.note(&error, reason);
    }
}

impl ConsumerContext for Member {
    /// Membership is all that is wanted: whatever is assigned, nothing is read.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let is_assigned = kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let is_lost = !is_assigned && consumer.assignment_lost();
        let done = match (consumer.rebalance_protocol(), is_assigned) {
            (RebalanceProtocol::Cooperative, true) => {
                consumer.incremental_assign(list).and_then(|()| consumer.pause(list))
            }
            (RebalanceProtocol::Cooperative, false) => consumer.incremental_unassign(list),
            (_, true) => consumer.assign(&TopicPartitionList::new()),
            (_, false) => consumer.unassign(),
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Between two assignments commits are refused.
        state.joined = is_assigned;
        state.lost |= is_lost;
        state.failed = done.err();
    }
}
