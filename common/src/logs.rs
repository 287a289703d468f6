//! Logs to standard error, for people or for programs.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line for each event.
    #[default]
    Text,
    /// One JSON object for each event.
    Json,
}

/// A text that is no log format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no log format: give text or json")]
pub struct LogFormatParseError(String);

impl FromStr for LogFormat {
    type Err = LogFormatParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(LogFormatParseError(text.to_owned())),
        }
    }
}

/// Starts logging for the whole process, at `info` unless `RUST_LOG` says otherwise. A second call changes nothing.
pub fn start(format: LogFormat) {
    start_by_way_of(format, std::io::stderr);
}

/// The same by way of somebody who puts each line onto standard error, with care for what else stands there.
pub fn start_by_way_of<W: std::io::Write>(format: LogFormat, writer: impl Fn() -> W + Send + Sync + 'static) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_target(false);
    let started = match format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    drop(started);
}
