//! Why a run fails, and the exit status that says so.

use std::path::PathBuf;

use crate::job::JobError;
use umbra_common::dial::TlsError;
use umbra_common::probe::ProbeError;
use umbra_common::store::StoreError;
use umbra_common::time::Window;

/// A run that could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store cannot be opened, or was lost on the way.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Exchanges that came so far out of order that a checkpoint cannot say which are done.
    #[error(
        "the records of partition {partition} are too far out of order for a checkpoint: \
         give fewer --connections, or send the window without --job"
    )]
    Scattered {
        /// Which partition.
        partition: i32,
    },
    /// A window of which the store does not have all any more.
    #[error("the window {window} has expired in part: {left}; --allow-partial sends what is left")]
    Expired {
        /// As asked for.
        window: umbra_common::time::Window,
        /// What is left.
        left: umbra_common::store::Expired,
    },
    /// A window that lost records while it was read.
    #[error(
        "up to {0} records of the window were removed from the log before they were read; the rest was dealt with          (--allow-partial takes that for done)"
    )]
    Gone(u64),
    /// A job that cannot be begun or gone on with like this.
    #[error(transparent)]
    Job(#[from] JobError),
    /// A target's name has no address.
    #[error("cannot resolve the target {target}: {why}")]
    Resolve {
        /// As given.
        target: String,
        /// Why.
        why: String,
    },
    /// TLS to a target cannot be set up.
    #[error("no TLS to the target {target}: {why}")]
    Tls {
        /// As given.
        target: String,
        /// Why.
        why: TlsError,
    },
    /// The target is where the traffic came from.
    #[error(
        "the target '{target}' is {address}, the address that this traffic was recorded in front of ({upstream}): \
         give another target, or --allow-production-target if that is meant"
    )]
    ProductionTarget {
        /// The target's name.
        target: String,
        /// The address both have.
        address: std::net::SocketAddr,
        /// The upstream as recorded.
        upstream: String,
    },
    /// A file for the report that cannot be written.
    #[error("cannot write the report {}: {why}", path.display())]
    Report {
        /// As given.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// The admin address cannot be bound.
    #[error("cannot listen on the admin address {address}: {why}")]
    Admin {
        /// As given.
        address: std::net::SocketAddr,
        /// Why.
        why: std::io::Error,
    },
    /// An id that the store does not have.
    #[error(
        "no exchange {id} in the store{}; is it the right store, or has it expired?",
        window.map_or_else(String::new, |w| format!(": it would have arrived in {w}"))
    )]
    UnknownId {
        /// As given.
        id: String,
        /// The time in the id.
        window: Option<Window>,
    },
    /// A beginning that several ids have.
    #[error("several exchanges begin with {id}: give more digits of one of\n  {ids}")]
    AmbiguousId {
        /// As given.
        id: String,
        /// The first that have it.
        ids: String,
    },
    /// The run that was asked is not ready.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// A thread cannot be started, or its runtime.
    #[error("cannot start {what}: {why}")]
    Start {
        /// Which part.
        what: &'static str,
        /// Why.
        why: std::io::Error,
    },
    /// A part of the program ended where it must not: a defect.
    #[error("the {0} thread ended by a panic; please report it")]
    Panicked(&'static str),
    /// Results cannot be written.
    #[error("cannot write results: {0}")]
    Output(#[from] std::io::Error),
}

impl RunError {
    /// The exit status that goes with it.
    pub fn status(&self) -> ExitStatus {
        match self {
            Self::Store(store) if store.is_configuration() => ExitStatus::Usage,
            Self::Job(error) => error.status(),
            Self::Expired { .. } | Self::Tls { .. } => ExitStatus::Usage,
            Self::ProductionTarget { .. } | Self::Report { .. } | Self::Admin { .. } => ExitStatus::Usage,
            _ => ExitStatus::Failed,
        }
    }
}

/// How the program ends. **An incomplete run is never [`Done`](Self::Done).**
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// Everything that was asked.
    Done,
    /// Not everything that was asked.
    Failed,
    /// The command line or the configuration is wrong.
    Usage,
    /// The window holds no exchange.
    NothingToSend,
    /// A `--fail-if` gate was crossed.
    GateCrossed,
    /// Somebody ended the run.
    Interrupted,
}

impl ExitStatus {
    /// The number for the operating system.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NothingToSend => 3,
            Self::GateCrossed => 99,
            // 128 and the number of SIGINT, as shells count.
            Self::Interrupted => 130,
        }
    }
}
