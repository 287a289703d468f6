//! What is known of the store's state, for `/status`, metrics and one log line at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::time::Timestamp;

/// Whether the store takes records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreState {
    /// Nothing has been written yet.
    Unknown,
    /// The last write was confirmed, or the store answers again.
    Up,
    /// The last write failed, or the store cannot be reached.
    Down,
}

impl StoreState {
    /// The word used in `/status` and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// The store's state, shared by the thread that writes and whoever asks.
#[derive(Debug)]
pub struct StoreHealth {
    inner: Mutex<Inner>,
    /// Changed under the lock with the state. Each record that is confirmed asks for it.
    is_up: AtomicBool,
}

#[derive(Debug)]
struct Inner {
    state: StoreState,
    since: Timestamp,
    error: Option<String>,
    /// When the log last had a reason. A store that comes and goes does not fill it.
    logged: Option<Timestamp>,
    /// Whether the log's last word is that it is down.
    told_down: bool,
    /// Whether it was its being away, and no answer of its own, that brought it down.
    away: bool,
    /// Whether records go to a spool meanwhile.
    spooled: bool,
}

/// While a store stays down, or comes and goes, its reason is logged this often.
const LOG_EVERY: Duration = Duration::from_secs(30);

impl StoreHealth {
    /// Nothing known yet.
    pub fn new() -> Self {
        let inner = Inner {
            state: StoreState::Unknown,
            since: Timestamp::now(),
            error: None,
            logged: None,
            told_down: false,
            away: false,
            spooled: false,
        };
        Self { inner: Mutex::new(inner), is_up: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A spool takes the records that the store does not.
    pub(super) fn has_spool(&self) {
        self.lock().spooled = true;
    }

    /// A write was confirmed.
    pub fn up(&self) {
        if self.is_up.load(Ordering::Relaxed) {
            return;
        }
        let mut inner = self.lock();
        self.is_up.store(true, Ordering::Relaxed);
        if inner.state != StoreState::Up {
            inner.set(StoreState::Up);
            inner.error = None;
            let told_down = std::mem::take(&mut inner.told_down);
            drop(inner);
            if told_down {
                tracing::info!("the store takes records again");
            }
        }
    }

    /// The store is there, which says as much as a write where its being away was all that was wrong.
    pub fn reachable(&self) {
        let inner = self.lock();
        if inner.state == StoreState::Down && inner.away {
            drop(inner);
            self.up();
        }
    }

    /// The store refused or failed: only a write can show that it does so no longer.
    pub fn down(&self, why: impl Into<String>) {
        self.is_down(&why.into(), false);
    }

    /// The store does not answer.
    pub fn away(&self, why: impl Into<String>) {
        self.is_down(&why.into(), true);
    }

    fn is_down(&self, why: &str, away: bool) {
        let now = Timestamp::now();
        let mut inner = self.lock();
        self.is_up.store(false, Ordering::Relaxed);
        // What a store has said against a record outweighs that it says nothing now.
        inner.away = away && (inner.away || inner.state != StoreState::Down);
        inner.set(StoreState::Down);
        let log = inner.logged.is_none_or(|at| now.since(at) >= LOG_EVERY);
        if log {
            (inner.logged, inner.told_down) = (Some(now), true);
        }
        inner.error = Some(why.to_owned());
        let spooled = inner.spooled;
        drop(inner);
        if log && spooled {
            tracing::warn!(%why, "the store does not take records; requests are served, and their records go to the spool");
        } else if log {
            tracing::warn!(%why, "the store does not take records; requests are served and counted, not recorded");
        }
    }

    /// The state, since when, and the last error where it is down.
    pub fn get(&self) -> (StoreState, Timestamp, Option<String>) {
        let inner = self.lock();
        (inner.state, inner.since, inner.error.clone())
    }
}

impl Inner {
    fn set(&mut self, state: StoreState) {
        if self.state != state {
            (self.state, self.since) = (state, Timestamp::now());
        }
    }
}

impl Default for StoreHealth {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_answers_again_is_up_unless_it_had_refused() {
        let health = StoreHealth::new();
        health.reachable();
        assert_eq!(health.get().0, StoreState::Unknown);
        health.away("nobody there");
        health.reachable();
        assert_eq!((health.get().0, health.get().2), (StoreState::Up, None));
        health.down("no permission");
        health.away("nobody there");
        health.reachable();
        assert_eq!(health.get().0, StoreState::Down);
        health.up();
        assert_eq!(health.get().0, StoreState::Up);
    }
}
