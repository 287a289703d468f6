//! The store in one SQLite file, for one machine: nothing to install, several processes at once.
//!
//! One table holds the log. `seq` grows with each commit and is never used twice, so it is the offset that a follower
//! keeps; the index on `arrival` serves windows. The write-ahead log lets readers and the writer work side by side.

mod append;
mod cursor;
mod follow;
mod keep;
mod read;
mod retention;
mod retry;
mod schema;
mod source;
#[cfg(test)]
mod tests;

pub(super) use append::Appender;
pub(super) use source::Source;

/// A SQLite store is one partition.
const PARTITION: i32 = 0;
