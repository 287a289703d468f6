//! How often a rule has matched.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counted by the workers, read by operators. A rule keeps its counts over a reload by its name.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    taken: AtomicU64,
    left_out: AtomicU64,
}

impl Counts {
    pub(super) fn count(&self, taken: bool) {
        let count = if taken { &self.taken } else { &self.left_out };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// The requests that it matched first.
    pub(crate) fn matched(&self) -> u64 {
        self.taken() + self.left_out.load(Ordering::Relaxed)
    }

    /// Those of them that sampling took.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}
