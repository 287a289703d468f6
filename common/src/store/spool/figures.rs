//! What is counted of a spool.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts, for `/metrics` and `/status`.
#[derive(Debug, Default)]
pub struct SpoolFigures {
    pub(super) bytes: AtomicU64,
    pub(super) written: AtomicU64,
    pub(super) delivered: AtomicU64,
    pub(super) undeliverable: AtomicU64,
    pub(super) unreadable_bytes: AtomicU64,
    pub(super) errors: AtomicU64,
}

impl SpoolFigures {
    /// What its files hold now, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Records written to it by this process.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Records out of it that the store has confirmed to this process, also those that an earlier one has written.
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Records out of it that the store refuses for good.
    pub fn undeliverable(&self) -> u64 {
        self.undeliverable.load(Ordering::Relaxed)
    }

    /// Bytes in it that could not be read back: half a record at the end of a crash, or a damaged file.
    pub fn unreadable_bytes(&self) -> u64 {
        self.unreadable_bytes.load(Ordering::Relaxed)
    }

    /// Failures to write, read or remove its files.
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    pub(super) fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }
}
