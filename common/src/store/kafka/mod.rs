//! The store in one Kafka topic, for a fleet.
//!
//! A message: the key is the session key (none where the record is of no session), the value its envelope, the timestamp its
//! arrival in milliseconds, and the headers `umbra-id` and `umbra-v` name it for other tools. A record that is too large for one message is several
//! (`parts`), which readers put together again (`join`). Windows are found by timestamp and read without a
//! group; following goes through a consumer group.

mod append;
mod astray;
mod deliveries;
mod follow;
mod group;
mod join;
mod keep;
mod kept;
mod late;
mod marks;
mod metadata;
mod offsets;
mod partition;
mod parts;
mod read;
mod settings;
mod source;
mod ticket;
mod topic;
mod trouble;
mod waiting;

pub(super) use append::Appender;
pub(super) use source::Source;
