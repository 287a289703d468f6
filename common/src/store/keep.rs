//! Checkpoints: what a job keeps beside the traffic, so that any machine that reaches the store can go on with it.
//!
//! A checkpoint is a [`Mark`] for each partition, kept under a name. One process at a time holds a name; one that dies
//! loses it within seconds, and one that was only slow is told so by its next [`Keep::keep`], which then keeps nothing.

use std::time::Duration;

use super::{Position, StoreError};

/// What is kept for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The partition, and how far it is done: the offset to go on at.
    pub position: Position,
    /// What the keeper has to say besides, at most [`Mark::LONGEST_NOTE`] bytes of text.
    pub note: String,
}

impl Mark {
    /// A Kafka broker refuses longer ones by default (`offset.metadata.max.bytes`).
    pub const LONGEST_NOTE: usize = 4096;
}

/// A name with a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The name.
    pub name: String,
    /// Whether a process holds it, or held it until seconds ago.
    pub held: bool,
}

/// One process's hold on a name. Dropping it gives the name back at once; what was kept stays.
pub trait Keep: Send {
    /// Replaces the checkpoint, all marks at once. True when it would survive the death of this process and of its
    /// machine's connections; false where the store has not said so within `wait`: call again, with these marks or later
    /// ones, and in the meantime take neither the old nor the new checkpoint for kept.
    fn keep(&mut self, marks: &[Mark], wait: Duration) -> Result<bool, StoreError>;

    /// Called at least every half second: says that this process lives.
    fn tend(&mut self) -> Result<(), StoreError>;
}

/// How long a name is waited for whose holder may have died: longer than either store takes to notice.
pub(super) const HOLD_WITHIN: Duration = Duration::from_secs(8);
