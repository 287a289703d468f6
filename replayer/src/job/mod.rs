//! Named replays that go on where they were, on whatever machine.
//!
//! A job's checkpoints lie beside the traffic (see [`umbra_common::store::Keep`]): one says what the job is, its window's
//! plan and its settings; one for each target and shard says how far that is.

mod config;
mod definition;
mod delivery;
mod error;
mod gaps;
mod name;
mod note;
mod open;
mod progress;
mod saved;
mod show;
mod spot;
mod ticket;

pub use config::JobConfig;
pub use delivery::{Delivery, DeliveryParseError};
pub use error::JobError;
pub use name::{JobName, JobNameError};
pub use note::NoteError;
pub use show::{JobLook, JobsConfig};

pub(crate) use note::Saved;
pub(crate) use open::{Held, open};
pub(crate) use progress::{Order, Progress};
pub(crate) use saved::Standing;
pub(crate) use show::print;
pub(crate) use spot::{Lengths, Spot};
pub(crate) use ticket::Ticket;

/// So many requests of one target may be in doubt at most: claimed, and not seen to end in a checkpoint. What is open must
/// fit into one note of [`umbra_common::store::Mark::LONGEST_NOTE`] bytes.
pub(crate) const MOST_IN_DOUBT: usize = 512;
