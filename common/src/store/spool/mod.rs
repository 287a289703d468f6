//! A bounded queue on disk in front of the store: what carries records over an outage of hours, and over a restart.
//!
//! While the store takes records, nothing is written here. When it is down, or has more unconfirmed than the mark, new
//! records are appended to segment files (`segment`, `disk`), and so are those that the store gives back; they are
//! confirmed to the recorder when the file has them. From there they go on to the store in the order in which they were
//! written, a chunk at a time and at a bounded rate (`drain`), and while anything is left, new records queue up behind.
//!
//! - A record that is in a file survives the end of the process, however it ends; after a loss of power what was written
//!   in the last second may be missing.
//! - At least once: a chunk whose confirmation did not come is sent again, also by the next process. Such records have
//!   the same id.
//! - The order is that of writing. What the store gives back was taken before what is in the files already, by at most
//!   the time that it tries (`message.timeout.ms` in Kafka).
//! - A file's bytes are checked when they are read; what cannot be read is counted, in bytes, and passed over.
//! - A folder that cannot be written is counted and tried again; records go to the store alone meanwhile.

mod append;
mod disk;
mod drain;
mod figures;
mod files;
mod pace;
mod receipt;
mod segment;
#[cfg(test)]
mod tests;

pub use figures::SpoolFigures;

use std::path::PathBuf;
use std::sync::Arc;

use super::{Append, Receipt, StoreConfig, StoreError, StoreHealth, open_append};
use crate::size::ByteSize;
use append::Spooled;
use disk::Disk;
use files::Files;

/// Where the spool is and what it may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolConfig {
    /// A folder of its own, which one process at a time uses. It is made where it is missing.
    pub dir: PathBuf,
    /// The files' sizes together.
    pub limit: ByteSize,
    /// More bytes than these, unconfirmed by the store, and new records go to the spool.
    pub mark: ByteSize,
}

/// An appender, and what is counted of its spool.
pub type WithSpool<R> = (Box<dyn Append<R>>, Arc<SpoolFigures>);

/// Opens a store for appending, with a spool in front of it. What an earlier process has left there goes on first.
///
/// Fails where [`open_append`] does, and where the folder cannot be used.
pub fn open_spooled<R: Receipt>(
    store: &StoreConfig,
    spool: &SpoolConfig,
    health: Arc<StoreHealth>,
) -> Result<WithSpool<R>, StoreError> {
    let figures = Arc::new(SpoolFigures::default());
    let disk = Disk::open(spool, Arc::clone(&figures))?;
    health.has_spool();
    let store = open_append(store, Arc::clone(&health))?;
    let files = Files::new(disk, Arc::clone(&figures));
    Ok((Box::new(Spooled::new(store, files, spool, health)), figures))
}
