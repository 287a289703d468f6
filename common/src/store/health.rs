//! What is known of the store's state, for `/status`, metrics and one log line at a time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::time::Timestamp;

/// Whether the store takes records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreState {
    /// Nothing has been written yet.
    Unknown,
    /// The last write was confirmed.
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
pub struct StoreHealth(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    state: StoreState,
    since: Timestamp,
    error: Option<String>,
    logged: Option<Timestamp>,
}

/// While a store stays down, its reason is logged this often.
const LOG_EVERY: Duration = Duration::from_secs(30);

impl StoreHealth {
    /// Nothing known yet.
    pub fn new() -> Self {
        Self(Mutex::new(Inner { state: StoreState::Unknown, since: Timestamp::now(), error: None, logged: None }))
    }

    /// A write was confirmed.
    pub fn up(&self) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.state != StoreState::Up {
            let now = Timestamp::now();
            let was = inner.state;
            *inner = Inner { state: StoreState::Up, since: now, error: None, logged: None };
            drop(inner);
            if was == StoreState::Down {
                tracing::info!("the store takes records again");
            }
        }
    }

    /// The store refused, failed or is gone.
    pub fn down(&self, why: impl Into<String>) {
        let why = why.into();
        let now = Timestamp::now();
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.state != StoreState::Down {
            inner.state = StoreState::Down;
            inner.since = now;
        }
        let log = inner.logged.is_none_or(|at| now.since(at) >= LOG_EVERY);
        if log {
            inner.logged = Some(now);
        }
        inner.error = Some(why.clone());
        drop(inner);
        if log {
            tracing::warn!(%why, "the store does not take records; requests are served and counted, not recorded");
        }
    }

    /// The state, since when, and the last error where it is down.
    pub fn get(&self) -> (StoreState, Timestamp, Option<String>) {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (inner.state, inner.since, inner.error.clone())
    }
}

impl Default for StoreHealth {
    fn default() -> Self {
        Self::new()
    }
}
