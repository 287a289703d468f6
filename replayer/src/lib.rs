//! The replayer: reads recorded exchanges and sends them as shadow requests.
//!
//! The store plans a window; then an exchange meets the modules in this order: [`read`] says which are meant, [`merge`]
//! puts them in the order of arrival, [`schedule`] says when each is due, [`change`] and [`carry`] make it fit for staging, [`target`]
//! sends it, [`report`] says what came of it. A `lane` is all of that for one target; `run` is a command from its start to its exit status. [`traffic`] prints
//! exchanges instead of sending them. [`cli`] checks the command line into a [`command`].

mod admin;
pub mod carry;
pub mod change;
pub mod cli;
pub mod command;
mod error;
pub mod job;
mod lane;
pub mod merge;
pub mod read;
pub mod report;
mod run;
pub mod schedule;
mod stop;
pub mod target;
#[cfg(test)]
mod testing;
mod text;
pub mod traffic;

pub use cli::{Cli, ConfigError};
pub use command::{Command, FollowConfig, ReplayConfig};
pub use error::{ExitStatus, RunError};
pub use report::Report;
pub use run::{follow, replay, run};
pub use stop::{Stop, Urgency};
