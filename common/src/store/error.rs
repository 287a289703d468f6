//! What can go wrong with a store, by what a caller can do about it.

use std::path::PathBuf;

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The path of a SQLite store does not exist (and is only to be read) or cannot be opened or written.
    #[error("cannot open the store {}: {why}", path.display())]
    Path {
        /// The path as given.
        path: PathBuf,
        /// The reason, and what to do.
        why: String,
    },
    /// The file is something else.
    #[error("{} is not an umbra store: {why}", path.display())]
    NotAStore {
        /// The path as given.
        path: PathBuf,
        /// What it is instead, as far as can be told.
        why: String,
    },
    /// The folder of the spool cannot be used.
    #[error("cannot use the spool {}: {why}", dir.display())]
    Spool {
        /// The folder as given.
        dir: PathBuf,
        /// The reason, and what to do.
        why: String,
    },
    /// A librdkafka property under `[store.kafka]` is not known or has a wrong value.
    #[error("the kafka property {0}")]
    Property(String),
    /// No broker answered in time.
    #[error("no kafka broker answers at {brokers}: {why}; check the address and that kafka is running")]
    Unreachable {
        /// The brokers as given.
        brokers: String,
        /// The last error.
        why: String,
    },
    /// The topic does not exist.
    #[error("the topic '{topic}' does not exist on {brokers}: start a recorder on it, or check the name")]
    NoTopic {
        /// The topic as given.
        topic: String,
        /// The brokers as given.
        brokers: String,
    },
    /// Another process holds a name for checkpoints.
    #[error("'{name}' is in use by another process: wait for its end, or end it")]
    Held {
        /// The name.
        name: String,
    },
    /// A name for checkpoints was taken over while this process said nothing.
    #[error(
        "'{name}' was taken over by another process while this one stood still: what it does from here on is not kept"
    )]
    Taken {
        /// The name.
        name: String,
    },
    /// A checkpoint cannot be kept.
    #[error("the checkpoint '{name}' cannot be kept: {why}")]
    NotKept {
        /// The name.
        name: String,
        /// Why.
        why: String,
    },
    /// Kafka refused or failed later.
    #[error("kafka: {0}")]
    Kafka(#[from] rdkafka::error::KafkaError),
    /// SQLite refused or failed later.
    #[error("sqlite: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

impl StoreError {
    /// Whether the configuration is to blame (exit status 2) rather than the state of the world (1).
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::Path { .. } | Self::NotAStore { .. } | Self::Spool { .. } | Self::Property(_) | Self::Held { .. }
        )
    }
}

/// Why a record was lost on its way into the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The store's own queue was full.
    Full,
    /// The store did not confirm it in time.
    Timeout,
    /// The record is over the store's message limit.
    TooLarge,
    /// The store refused it or failed.
    Rejected,
    /// The store was closed first.
    Closed,
    /// It had to go to the spool, and the spool was full.
    SpoolFull,
}
