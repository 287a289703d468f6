//! The commands, each from its configuration to its exit status.

mod finish;
mod follow;
mod plan;
mod rehearsal;
mod replay;
mod reproduce;
mod window;

pub use follow::follow;
pub use replay::replay;

use std::io::Write;

use umbra_common::probe::probe;

use crate::command::{Action, Command};
use crate::error::{ExitStatus, RunError};
use crate::job;
use crate::stop::Stop;
use crate::traffic;

/// Runs a command to its end. Results go to `out`, everything else to standard error.
#[expect(clippy::needless_pass_by_value, reason = "the configuration and the handle are given away with the run")]
pub fn run(command: Command, stop: Stop, out: &mut dyn Write) -> Result<ExitStatus, RunError> {
    match &command.action {
        Action::Replay(config) => finish::with_report(&config.reporting, out, |out| {
            writeln!(out, "window {}, pace {}", config.window, config.pacing)?;
            replay::run(config, &stop)
        }),
        Action::Follow(config) => finish::with_report(&config.reporting, out, |_| follow::run(config, &stop)),
        Action::Plan { config, diff } => plan::print(config, *diff, &stop, out),
        Action::Traffic(config) => traffic::print(config, &stop, out),
        Action::Jobs(config) => job::print(config, out),
        Action::Probe(admin) => Ok(probe(*admin).map(|()| ExitStatus::Done)?),
    }
}
