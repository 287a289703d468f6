//! What the time of one request follows from.

use std::time::{Duration, Instant};

/// When something may leave, as far as that is known where it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// By its place in a window, at the pace.
    InWindow(Place),
    /// At an instant, whatever the pace.
    At(Instant),
    /// As soon as a cap lets it.
    Free,
}

/// An exchange's place in its window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// How many of the window come before it.
    pub index: u64,
    /// How long after the window's first one it arrived, with long gaps shortened where that was asked for.
    pub elapsed: Duration,
}

impl Place {
    /// This place, counted from an earlier one.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self { index: self.index.saturating_sub(earlier.index), elapsed: self.elapsed.saturating_sub(earlier.elapsed) }
    }
}
