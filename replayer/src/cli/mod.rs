//! The command line: flags as given, merged with the environment and a file, checked into a [`Command`].

mod admin_flags;
mod change_flags;
mod error;
mod flags;
mod follow_from;
mod job_flags;
mod pace_flags;
mod probe_flags;
mod resolve;
mod target_flags;

pub use error::ConfigError;
pub use follow_from::{FollowFrom, FollowFromParseError};

use clap::{Parser, Subcommand};

use umbra_common::logs::LogFormat;

use crate::command::{Action, Command};
use crate::job::{JobLook, JobName};
use crate::traffic::IdPrefix;
use flags::{FollowFlags, ReplayFlags, TrafficFlags};
use job_flags::JobLookFlags;
use probe_flags::ProbeFlags;

/// Sends recorded traffic to staging clusters, as shadow traffic.
#[derive(Debug, Parser)]
#[command(name = "umbra-replayer", version, arg_required_else_help = true)]
#[command(after_help = "Exit status: 0 done, 1 failed, 2 usage or configuration, 3 nothing in the window, \
                        99 a --fail-if gate was crossed, 130 interrupted.\n\
                        Every flag is also UMBRA_<FLAG> in the environment and a key in the --config file.")]
pub struct Cli {
    #[command(subcommand)]
    action: Sub,
}

#[derive(Debug, Subcommand)]
enum Sub {
    /// Send what is recorded from now on, as it comes, to every target.
    Follow(Box<FollowFlags>),
    /// Send a window of recorded traffic on a schedule.
    Replay(Box<ReplayFlags>),
    /// Print what `replay` with the same flags would send, and how long it would take; send nothing.
    Plan {
        #[command(flatten)]
        flags: Box<ReplayFlags>,
        /// Print what the changes do to the first requests that they change.
        #[arg(long)]
        diff: bool,
    },
    /// Look at recorded traffic.
    #[command(subcommand)]
    Traffic(Box<TrafficSub>),
    /// Look at the jobs that a store keeps.
    #[command(subcommand)]
    Job(Box<JobSub>),
    /// Ask a run on this host, by its --admin, whether it is ready; exit with 0 or 1.
    Probe(ProbeFlags),
}

#[derive(Debug, Subcommand)]
enum JobSub {
    /// Print all jobs, one a line.
    List(JobLookFlags),
    /// Print one job whole.
    Show {
        /// Its name.
        name: JobName,
        #[command(flatten)]
        flags: JobLookFlags,
    },
    /// Forget a job that no process works on; its traffic stays.
    Delete {
        /// Its name.
        name: JobName,
        #[command(flatten)]
        flags: JobLookFlags,
    },
}

#[derive(Debug, Subcommand)]
enum TrafficSub {
    /// Print the exchanges of a window, one a line.
    List {
        #[command(flatten)]
        flags: TrafficFlags,
        /// Go on with what is recorded from now on, until interrupted.
        #[arg(long)]
        follow: bool,
    },
    /// Count a window's exchanges by endpoint: rates, statuses, latencies.
    Top {
        #[command(flatten)]
        flags: TrafficFlags,
        /// The most endpoints to print, the busiest first.
        #[arg(long, env = "UMBRA_LIMIT", value_name = "N", default_value_t = 30)]
        limit: usize,
    },
    /// Print one exchange whole.
    Show {
        /// The id that `traffic list` prints, or its beginning.
        id: IdPrefix,
        #[command(flatten)]
        flags: TrafficFlags,
    },
    /// Print exchanges as they are recorded, until interrupted.
    Tail(TrafficFlags),
}

impl Cli {
    /// The command with every value checked and every default filled in.
    pub fn into_command(self) -> Result<Command, ConfigError> {
        match self.action {
            Sub::Follow(flags) => resolve::follow(*flags),
            Sub::Replay(flags) => resolve::replay(*flags),
            Sub::Plan { flags, diff } => resolve::plan(*flags, diff),
            Sub::Traffic(sub) => match *sub {
                TrafficSub::List { flags, follow } => resolve::list(flags, follow),
                TrafficSub::Top { flags, limit } => resolve::top(flags, limit),
                TrafficSub::Show { id, flags } => resolve::show(id, flags),
                TrafficSub::Tail(flags) => resolve::tail(flags),
            },
            Sub::Probe(flags) => Ok(Command { log_format: LogFormat::default(), action: Action::Probe(flags.admin) }),
            Sub::Job(sub) => match *sub {
                JobSub::List(flags) => resolve::jobs(flags, JobLook::List),
                JobSub::Show { name, flags } => resolve::jobs(flags, JobLook::Show(name)),
                JobSub::Delete { name, flags } => resolve::jobs(flags, JobLook::Delete(name)),
            },
        }
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod target_tests;
