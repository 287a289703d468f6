//! Why a job cannot be begun, gone on with or shown.

use umbra_common::store::StoreError;

use super::{JobName, NoteError};
use crate::error::ExitStatus;

/// A job that cannot be had like this.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The name has been used.
    #[error(
        "there is a job '{0}' already: give --resume to go on with it, another name, or delete it with \
         `umbra-replayer job delete {0}`"
    )]
    Exists(JobName),
    /// Another process works on it.
    #[error(
        "the job '{name}' is in use: another process sends to '{target}' as {shard} of it; wait for its end, or end it"
    )]
    InUse {
        /// The job.
        name: JobName,
        /// The target.
        target: String,
        /// The shard, as `I/N`.
        shard: String,
    },
    /// It was begun with other settings.
    #[error("the job '{name}' goes on only with the settings it was begun with: {}", differences.join("; "))]
    Differs {
        /// The job.
        name: JobName,
        /// The flags that differ, in words.
        differences: Vec<String>,
    },
    /// There is none of the name.
    #[error("there is no job '{0}' in this store: `umbra-replayer job list` shows those that there are")]
    Missing(JobName),
    /// One that is to be deleted is in use.
    #[error("the job '{0}' is in use by a process: end that first")]
    Busy(JobName),
    /// What is kept of it is of no known form.
    #[error("what is kept of the job '{name}' cannot be read: {why}; is it of another release?")]
    Unreadable {
        /// The job.
        name: JobName,
        /// Why.
        why: String,
    },
    /// A checkpoint is of no known form.
    #[error("the job '{name}': {why}")]
    Note {
        /// The job.
        name: JobName,
        /// Why.
        why: NoteError,
    },
    /// Its settings do not fit into what the store keeps.
    #[error(
        "the settings of the job '{name}' are too long to be kept, {bytes} bytes: give fewer, or send without --job"
    )]
    TooLong {
        /// The job.
        name: JobName,
        /// How long they are.
        bytes: usize,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl JobError {
    /// The exit status that goes with it.
    pub(crate) fn status(&self) -> ExitStatus {
        match self {
            Self::Store(error) if !error.is_configuration() => ExitStatus::Failed,
            Self::Unreadable { .. } | Self::Note { .. } => ExitStatus::Failed,
            _ => ExitStatus::Usage,
        }
    }
}
