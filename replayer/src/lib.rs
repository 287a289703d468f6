//! The replayer: reads recorded exchanges and sends them as shadow requests.
//!
//! An exchange meets the modules in this order: [`plan`] says what to read, [`read`] takes it out of the store, [`merge`]
//! puts it in the order of arrival, [`schedule`] says when it is due, [`target`] sends it, [`report`] says what came of
//! it. [`traffic`] prints exchanges instead of sending them. [`cli`] checks the command line into a [`command`].

pub mod cli;
pub mod command;
mod error;
pub mod read;
pub mod report;
pub mod schedule;
mod stop;
pub mod target;
mod text;
pub mod traffic;

pub use cli::{Cli, ConfigError};
pub use command::{Command, FollowConfig, ReplayConfig};
pub use error::{ExitStatus, RunError};
pub use report::Report;
pub use stop::{Stop, Urgency};

use std::io::Write;

/// Runs a command to its end. Results go to `out`, everything else to standard error.
pub fn run(command: Command, stop: Stop, out: &mut dyn Write) -> Result<ExitStatus, RunError> {
    let _ = (command, stop);
    writeln!(out, "not built yet")?;
    Ok(ExitStatus::Failed)
}

/// Sends a window to its end, or until `stop`.
pub fn replay(config: ReplayConfig, stop: Stop) -> Result<Report, RunError> {
    let _ = (config, stop);
    Ok(Report::default())
}

/// Sends the live tail until `stop`.
pub fn follow(config: FollowConfig, stop: Stop) -> Result<Report, RunError> {
    let _ = (config, stop);
    Ok(Report::default())
}
