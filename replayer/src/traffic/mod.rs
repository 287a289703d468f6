//! Looking at recorded traffic.

mod output;

use crate::command::TrafficConfig;
use crate::error::{ExitStatus, RunError};
use crate::stop::Stop;
pub use output::{Output, OutputParseError};
use std::io::Write;
/// Prints exchanges.
pub fn print(_: &TrafficConfig, _: &Stop, _: &mut dyn Write) -> Result<ExitStatus, RunError> {
    Ok(ExitStatus::Failed)
}
