//! The traffic store: the durable log of exchanges, in Kafka or in one SQLite file.
//!
//! Both backends are used from plain threads, through three small traits: [`Append`] (the recorder's store thread),
//! [`Read`] (a planned window) and [`Follow`] (the live tail, with a position kept for a group). Nothing in here is
//! `async`: librdkafka and SQLite both block, and the live path never calls either.
//!
//! One contract test suite runs against both (`tests/integration/store_contract`).

mod error;
mod health;
mod kafka;
mod keep;
mod plan;
mod setting;
mod spool;
mod sqlite;
mod url;

pub use error::{Loss, StoreError};
pub use health::{StoreHealth, StoreState};
pub use keep::{Keep, Kept, Mark};
pub use plan::{Expired, PartitionPlan, Plan};
pub use setting::StoreSetting;
pub use spool::{SpoolConfig, SpoolFigures, WithSpool, open_spooled};
pub use url::{KafkaUrl, SqliteUrl, StoreUrl, StoreUrlError};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::codec::DecodeError;
use crate::exchange::{Exchange, ExchangeId};
use crate::time::{Timestamp, Window};

/// A record is written at the latest this long after its arrival, if its exchange has not ended before.
pub const EMIT_AFTER: Duration = Duration::from_secs(10);

/// How much later in the log than its arrival a record can stand: [`EMIT_AFTER`], the producer's retries
/// (`message.timeout.ms`), and clocks that differ. Reads of a window go this far beyond its end.
pub const SLACK: Duration = Duration::from_secs(30);

/// An appender is looked after at least this often.
pub const TEND_EVERY: Duration = Duration::from_secs(1);

/// Which store, and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// The `--store` URL.
    pub url: StoreUrl,
    /// Further librdkafka properties, from `[store.kafka]`. A value `env:NAME` or `file:PATH` has been resolved.
    pub kafka: BTreeMap<String, String>,
}

impl StoreConfig {
    /// A store with nothing but its URL.
    pub fn new(url: StoreUrl) -> Self {
        Self { url, kafka: BTreeMap::new() }
    }
}

/// What becomes of one record: told exactly once, by whichever part of the store knows.
///
/// The recorder's receipt holds the ledger's entry and the bytes of the memory budget; dropping it gives both back.
pub trait Receipt: Send + 'static {
    /// The store has confirmed the record.
    fn stored(self);
    /// The record is lost.
    fn lost(self, why: Loss);
}

/// One encoded exchange on its way into the store.
#[derive(Debug)]
pub struct Record<R> {
    /// The session key, by which records keep together where a store has several places for them. Without one they go where that
    /// costs least.
    pub key: Vec<u8>,
    /// The exchange's id.
    pub id: ExchangeId,
    /// When the request arrived.
    pub arrival: Timestamp,
    /// The envelope ([`crate::codec::encode`]).
    pub value: Vec<u8>,
    /// Consumed when the store knows what became of it.
    pub receipt: R,
}

/// The writing side, owned by one thread.
pub trait Append<R: Receipt>: Send {
    /// Takes a batch over. Every receipt is consumed once: here, later, or in [`close`](Self::close). Never fails as
    /// a whole, and blocks at most for the time of one SQLite transaction.
    fn append(&mut self, batch: &mut Vec<Record<R>>);

    /// How many records it is best given at once, where there are more. All of them, where it does something for a batch; few,
    /// where it does not: they are put together while what they are made from is in a processor's cache.
    fn together(&self) -> usize {
        usize::MAX
    }

    /// The same for records that arrived longer ago than [`SLACK`] allows for: a store that finds windows by where
    /// records stand remembers where these do, before it confirms them.
    fn append_late(&mut self, batch: &mut Vec<Record<R>>) {
        self.append(batch);
    }

    /// Called as often as [`tend_every`](Self::tend_every) says, also without traffic: reconnects, makes the topic,
    /// applies retention.
    fn tend(&mut self);

    /// When it wants to be tended next; at most [`TEND_EVERY`].
    fn tend_every(&self) -> Duration {
        TEND_EVERY
    }

    /// Waits until what was taken is confirmed, at most for `deadline`; what is not is [`Loss::Closed`]. Afterwards
    /// every receipt has been consumed.
    fn close(self: Box<Self>, deadline: Duration);
}

/// Opens a store for appending.
///
/// A Kafka that cannot be reached is no error: `health` says so, and appending begins when it is there. A SQLite path
/// that cannot be written, or a file that is something else, is an error at once.
pub fn open_append<R: Receipt>(
    config: &StoreConfig,
    health: Arc<StoreHealth>,
) -> Result<Box<dyn Append<R>>, StoreError> {
    match &config.url {
        StoreUrl::Sqlite(url) => Ok(Box::new(sqlite::Appender::open(url, health)?)),
        StoreUrl::Kafka(url) => Ok(Box::new(kafka::Appender::open(url, &config.kafka, health)?)),
    }
}

/// Where a record stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The partition; 0 in SQLite.
    pub partition: i32,
    /// The offset in Kafka, the sequence number in SQLite.
    pub offset: i64,
}

/// One record as read.
#[derive(Debug)]
pub struct Stored {
    /// Where it stood; its last part, where it is in several. Positions grow within a partition, but for records that
    /// are [incomplete](DecodeError::Incomplete), which are told when they are given up.
    pub position: Position,
    /// Its size in the log, in bytes.
    pub size: usize,
    /// The exchange, or why its bytes are none. Never fatal: count it and go on.
    pub exchange: Result<Exchange, DecodeError>,
}

/// What a read gave.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every value is a record, and it is moved once")]
pub enum Next {
    /// A record.
    Record(Stored),
    /// No record came within the wait; there may be more.
    Idle,
    /// A partition of the plan is read to its end. Told once for each partition that [`Plan::partitions`] names.
    PartitionEnd(i32),
    /// All partitions of the plan are read.
    End,
}

/// Reads a plan's records: each once, in log order within a partition.
///
/// SQLite gives them in arrival order over all; Kafka mixes partitions as they come.
pub trait Read: Send {
    /// The next record, waiting for at most `wait`.
    fn next(&mut self, wait: Duration) -> Result<Next, StoreError>;

    /// Where a later read has to begin when everything of a partition that was given up to and including `upto` is
    /// done: behind it, or earlier, where a record that stands in parts on both sides is not done. That read gives
    /// what stands between again; what is at or before `upto` is done. `upto` must not go back.
    fn restart(&mut self, upto: Position) -> i64;

    /// How many positions of the plan were removed before they were read, as retention does; an upper bound for their
    /// records, because positions can have gaps.
    fn gone(&self) -> u64;

    /// Stops or resumes a partition that has run ahead of the others. At most a bounded prefetch still comes.
    fn hold(&mut self, partition: i32, held: bool) -> Result<(), StoreError>;
}

/// Where a group that has no position yet begins to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At what is written from now on.
    Latest,
    /// At the beginning of the log.
    Earliest,
    /// At the first record that arrived at or after this instant.
    At(Timestamp),
}

/// Follows the log's end for a named group, at least once.
pub trait Follow: Send {
    /// The next record, waiting for at most `wait`; never [`Next::End`] and never [`Next::PartitionEnd`].
    fn next(&mut self, wait: Duration) -> Result<Next, StoreError>;

    /// Everything in the position's partition up to and including it is done: a restart goes on behind it.
    fn done(&mut self, upto: Position) -> Result<(), StoreError>;

    /// Called at least every second by a caller that has no room for records: keeps the group's hold on the log, and
    /// writes what is done, without giving any.
    fn tend(&mut self) -> Result<(), StoreError>;

    /// The partitions held now and the number there are: the share of a fleet-wide rate.
    fn share(&self) -> Share;

    /// How many positions of each partition were removed before they were read, as retention does; an upper bound for their
    /// records, because positions can have gaps. Following goes on where the log begins then.
    fn gone(&self) -> &BTreeMap<i32, u64>;

    /// How many records of the partitions held now are not done yet, where that is known: some seconds old, and an upper
    /// bound, because offsets can have gaps.
    fn behind(&self) -> Result<Option<u64>, StoreError>;

    /// Writes the positions that are done and leaves the group.
    fn close(self: Box<Self>) -> Result<(), StoreError>;
}

/// A replica's part of a followed log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The partitions that this replica holds.
    pub held: Vec<i32>,
    /// How many there are.
    pub of: usize,
}

impl Share {
    /// From 0 to 1.
    pub fn fraction(&self) -> f64 {
        if self.of == 0 { 0.0 } else { self.held.len() as f64 / self.of as f64 }
    }
}

/// A store opened for reading.
pub enum Store {
    /// One SQLite file.
    Sqlite(sqlite::Source),
    /// One topic.
    Kafka(kafka::Source),
}

impl Store {
    /// Opens a store that exists. Fails within 15 seconds where it cannot be reached.
    pub fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        match &config.url {
            StoreUrl::Sqlite(url) => sqlite::Source::open(url).map(Self::Sqlite),
            StoreUrl::Kafka(url) => kafka::Source::open(url, &config.kafka).map(Self::Kafka),
        }
    }

    /// Freezes a window: which offsets to read in each partition. Costs the same however long the log is.
    pub fn plan(&self, window: Window) -> Result<Plan, StoreError> {
        match self {
            Self::Sqlite(source) => source.plan(window),
            Self::Kafka(source) => source.plan(window),
        }
    }

    /// What is left of a plan's window, where records of it have been removed since they were written; nothing where it is
    /// whole. A window in which nothing was recorded is whole.
    pub fn expired(&self, plan: &Plan) -> Result<Option<Expired>, StoreError> {
        match self {
            Self::Sqlite(source) => source.expired(plan),
            Self::Kafka(source) => source.expired(plan),
        }
    }

    /// Reads what a plan names. Records outside of its window come too (the slack around it): filter on arrival.
    pub fn read(&self, plan: &Plan) -> Result<Box<dyn Read>, StoreError> {
        match self {
            Self::Sqlite(source) => Ok(Box::new(source.read(plan)?)),
            Self::Kafka(source) => Ok(Box::new(source.read(plan)?)),
        }
    }

    /// Follows the log as `group`, from where the group was or from `start`.
    pub fn follow(&self, group: &str, start: Start) -> Result<Box<dyn Follow>, StoreError> {
        match self {
            Self::Sqlite(source) => Ok(Box::new(source.follow(group, start)?)),
            Self::Kafka(source) => Ok(Box::new(source.follow(group, start)?)),
        }
    }

    /// Takes a name for checkpoints, waiting a few seconds for a holder that may have died.
    pub fn keep(&self, name: &str) -> Result<Box<dyn Keep>, StoreError> {
        match self {
            Self::Sqlite(source) => Ok(Box::new(source.keep(name)?)),
            Self::Kafka(source) => Ok(Box::new(source.keep(name)?)),
        }
    }

    /// The checkpoint under a name, whoever holds it; nothing where there is none.
    pub fn marks(&self, name: &str) -> Result<Vec<Mark>, StoreError> {
        match self {
            Self::Sqlite(source) => source.marks(name),
            Self::Kafka(source) => source.marks(name),
        }
    }

    /// The names that begin so and may have a checkpoint, in order.
    pub fn kept(&self, prefix: &str) -> Result<Vec<Kept>, StoreError> {
        match self {
            Self::Sqlite(source) => source.kept(prefix),
            Self::Kafka(source) => source.kept(prefix),
        }
    }

    /// Forgets a checkpoint that nobody holds; one that does not exist is forgotten already.
    pub fn forget(&self, name: &str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(source) => source.forget(name),
            Self::Kafka(source) => source.forget(name),
        }
    }
}
