//! Late records are confirmed when their place is marked, so that every one that is confirmed is found in its window.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;

use super::marks::{self, Marks, Stretch};
use super::settings::{Role, Settings, refused};
use super::ticket::Ticket;
use super::trouble::{self, Plain};
use crate::store::{Loss, Receipt, StoreError};

/// Marks are written for what has been delivered within this.
const TOGETHER: Duration = Duration::from_millis(20);
/// Another recorder may write over marks that it has not read: for some time they are looked after.
const LOOK_AFTER: Duration = Duration::from_secs(1);
const LOOKS: u32 = 5;
/// Brokers that answer, and for so long have nobody who coordinates the group, are taken never to have: a spool that stands
/// still would be the worse.
const PATIENCE: Duration = Duration::from_secs(60);

/// What has been delivered late and is not marked.
pub(super) struct Unmarked<R>(Mutex<Pending<R>>);

struct Pending<R> {
    stretches: BTreeMap<i32, Marks>,
    tickets: Vec<Ticket<R>>,
}

impl<R: Receipt> Unmarked<R> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Pending { stretches: BTreeMap::new(), tickets: Vec::new() })))
    }

    /// A late message is in the log.
    pub(super) fn delivered(&self, partition: i32, offset: i64, millis: i64, ticket: Ticket<R>) {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stretch = Stretch { from: millis, to: millis, end: offset + 1 };
        pending.stretches.entry(partition).or_default().add(stretch);
        pending.tickets.push(ticket);
    }

    fn take(&self) -> (BTreeMap<i32, Marks>, Vec<Ticket<R>>) {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut pending.stretches), std::mem::take(&mut pending.tickets))
    }
}

/// The thread that marks.
pub(super) struct Marker {
    /// Nothing is ever sent: dropping it asks for the end.
    stop: Sender<()>,
    /// Nothing is ever sent here either: the thread's end closes it.
    ended: Receiver<()>,
}

impl Marker {
    pub(super) fn start<R: Receipt>(
        settings: &Settings,
        topic: &str,
        unmarked: Arc<Unmarked<R>>,
    ) -> Result<Self, StoreError> {
        let config = settings.config(Role::Marks);
        let consumer = BaseConsumer::from_config_and_context(&config, Plain::default()).map_err(refused)?;
        let (stop, stopped) = bounded(0);
        let topic = topic.to_owned();
        let work =
            Work { consumer, topic, unmarked, own: BTreeMap::new(), looks: 0, looked: Instant::now(), given_up: false };
        let (alive, ended) = bounded(0);
        let run = move || {
            work.run(&stopped);
            drop(alive);
        };
        let thread = thread::Builder::new().name("umbra-late".into()).spawn(run);
        thread.map_err(|e| StoreError::Property(format!("client cannot start a thread: {e}")))?;
        Ok(Self { stop, ended })
    }

    /// Marks what is left. Without brokers librdkafka has no deadline of its own: the thread is left to that, and what
    /// it has not marked stays in the spool.
    pub(super) fn finish(self) {
        drop(self.stop);
        let _ = self.ended.recv_timeout(marks::ANSWER);
    }
}

struct Work<R: Receipt> {
    consumer: BaseConsumer<Plain>,
    topic: String,
    unmarked: Arc<Unmarked<R>>,
    /// Everything that this process has marked.
    own: BTreeMap<i32, Marks>,
    /// How often the marks are still looked after.
    looks: u32,
    looked: Instant,
    /// Marks have failed for good, as far as can be told: nothing waits for them.
    given_up: bool,
}

impl<R: Receipt> Work<R> {
    fn run(mut self, stopped: &Receiver<()>) {
        let mut ending = false;
        while !ending {
            ending = stopped.recv_timeout(TOGETHER) == Err(RecvTimeoutError::Disconnected);
            let (stretches, tickets) = self.unmarked.take();
            let is_new = !tickets.is_empty();
            if !is_new && (self.looks == 0 || self.looked.elapsed() < LOOK_AFTER) {
                continue;
            }
            for (partition, marks) in &stretches {
                self.own.entry(*partition).or_default().add_all(marks);
            }
            self.looks = if is_new { LOOKS } else { self.looks - 1 };
            self.looked = Instant::now();
            self.end(tickets, stopped);
        }
    }

    /// Confirms what is marked. While that cannot be told, the records wait: they are not confirmed before, unless it never
    /// will be. Then marking goes on behind them.
    fn end(&mut self, tickets: Vec<Ticket<R>>, stopped: &Receiver<()>) {
        let begun = Instant::now();
        loop {
            let error = match self.mark() {
                Ok(()) => {
                    self.given_up = false;
                    return tickets.into_iter().for_each(Ticket::stored);
                }
                Err(error) => error,
            };
            let is_refused = trouble::is_fatal(&error) || (begun.elapsed() >= PATIENCE && self.is_answered());
            if is_refused && !std::mem::replace(&mut self.given_up, true) {
                tracing::warn!(%error, "late records cannot be marked, and no window will find them: allow the group {}", marks::GROUP);
            }
            if self.given_up {
                self.looks = LOOKS;
                return tickets.into_iter().for_each(Ticket::stored);
            }
            tracing::debug!(%error, "late records are not marked yet");
            if stopped.recv_timeout(LOOK_AFTER) == Err(RecvTimeoutError::Disconnected) {
                return tickets.into_iter().for_each(|ticket| ticket.lost(Loss::Closed));
            }
        }
    }

    /// Whether there is a broker that says something about the topic.
    fn is_answered(&self) -> bool {
        self.consumer.fetch_metadata(Some(&self.topic), marks::ANSWER).is_ok()
    }

    fn mark(&self) -> Result<(), KafkaError> {
        let mut wrong = marks::read(&self.consumer, &self.topic, self.own.keys().copied())?;
        wrong.retain_mut(|(partition, marks)| {
            let before = marks.clone();
            self.own.get(partition).into_iter().for_each(|own| marks.add_all(own));
            *marks != before
        });
        if wrong.is_empty() { Ok(()) } else { marks::write(&self.consumer, &self.topic, &wrong) }
    }
}
