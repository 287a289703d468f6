//! This replica's part of a rate that a fleet shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// From 0 to 1; written by whoever knows what is held, read where requests leave.
#[derive(Debug)]
pub struct RateShare(AtomicU64);

impl RateShare {
    /// Nothing held yet.
    pub fn none() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(0)))
    }

    /// The part from 0 to 1.
    pub fn set(&self, part: f64) {
        self.0.store(part.clamp(0.0, 1.0).to_bits(), Ordering::Relaxed);
    }

    /// The part from 0 to 1.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}
