//! What a window holds.
use crate::command::ReplayConfig;
use crate::error::{ExitStatus, RunError};
use crate::stop::Stop;
use std::io::Write;
/// Prints what `replay` would send.
pub fn print(_: &ReplayConfig, _: &Stop, _: &mut dyn Write) -> Result<ExitStatus, RunError> {
    Ok(ExitStatus::Failed)
}
