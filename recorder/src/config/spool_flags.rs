//! The flags of the spool: where records wait on disk while the store does not take them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use umbra_common::size::ByteSize;
use umbra_common::store::SpoolConfig;

use super::ConfigError;

const LIMIT: ByteSize = ByteSize::mib(10 << 10);
/// Below this a spool holds less than its own files' shares.
const SMALLEST_LIMIT: ByteSize = ByteSize::mib(1);

/// What becomes a [`SpoolConfig`].
#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
#[command(next_help_heading = "The spool")]
#[serde(default, rename_all = "kebab-case")]
pub struct SpoolFlags {
    /// A folder of this recorder's own where records wait while the store does not take them, also over a restart
    /// [default: none; such records are lost and counted]
    #[arg(long, env = "UMBRA_SPOOL", value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spool: Option<PathBuf>,

    /// How much the spool may hold; what does not fit is not recorded, and counted [default: 10GiB]
    #[arg(long, env = "UMBRA_SPOOL_LIMIT", value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spool_limit: Option<ByteSize>,
}

impl SpoolFlags {
    /// The spool, if there is one. Above half of the memory that records may hold, it takes the store's part.
    pub(super) fn into_config(self, memory: ByteSize) -> Result<Option<SpoolConfig>, ConfigError> {
        let limit = self.spool_limit.unwrap_or(LIMIT);
        let wrong = |why: String| ConfigError::Value { flag: "spool-limit", value: limit.to_string(), why };
        match self.spool {
            None if self.spool_limit.is_some() => {
                Err(wrong("there is no --spool that it could limit: give one".into()))
            }
            None => Ok(None),
            Some(_) if limit < SMALLEST_LIMIT => Err(wrong(format!("give at least {SMALLEST_LIMIT}"))),
            Some(dir) if dir.as_os_str().is_empty() => Err(ConfigError::Value {
                flag: "spool",
                value: String::new(),
                why: "it names no folder: give one, as in /var/lib/umbra/spool".into(),
            }),
            Some(dir) => Ok(Some(SpoolConfig { dir, limit, mark: ByteSize::new(memory.bytes() / 2) })),
        }
    }
}
