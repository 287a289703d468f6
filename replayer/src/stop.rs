//! The wish to end: set once by Ctrl-C, seen by every thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::watch;

/// How urgently a run is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Go on.
    None,
    /// Begin nothing new and finish what is in flight.
    Drain,
    /// Give up what is in flight as well.
    Now,
}

/// A handle that ends a run. Clones share one state.
#[derive(Clone, Debug)]
pub struct Stop {
    level: Arc<AtomicU8>,
    told: watch::Sender<Urgency>,
}

impl Stop {
    /// Nobody has asked yet.
    pub fn new() -> Self {
        Self { level: Arc::new(AtomicU8::new(0)), told: watch::Sender::new(Urgency::None) }
    }

    /// Asks for the end. The first call lets what is in flight finish, the second does not wait for it.
    pub fn stop(&self) {
        let before = self.level.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |level| Some(level.saturating_add(1)));
        let urgency = if before == Ok(0) { Urgency::Drain } else { Urgency::Now };
        self.told.send_replace(urgency);
    }

    /// Whether anybody has asked.
    pub fn is_stopped(&self) -> bool {
        self.level.load(Ordering::Relaxed) > 0
    }

    /// How urgently.
    pub fn urgency(&self) -> Urgency {
        match self.level.load(Ordering::Relaxed) {
            0 => Urgency::None,
            1 => Urgency::Drain,
            _ => Urgency::Now,
        }
    }

    /// Completes when the end is wanted at least this urgently.
    pub async fn wait(&self, urgency: Urgency) {
        let mut told = self.told.subscribe();
        // The sender lives as long as `self`, so this ends by the condition alone.
        let _ = told.wait_for(|now| *now >= urgency).await;
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_call_drains_and_the_second_does_not_wait() {
        let stop = Stop::new();
        let other = stop.clone();
        assert!(!other.is_stopped());
        stop.stop();
        assert!(other.is_stopped());
        other.wait(Urgency::Drain).await;
        stop.stop();
        other.wait(Urgency::Now).await;
    }
}
