//! The dispatcher: a thread of its own that wakes for each due time, because an asynchronous timer ticks at 1 ms.

use std::time::{Duration, Instant};

use tokio::sync::mpsc::{self, error::TrySendError};

use super::Turn;
use crate::stop::Stop;

/// Something to send, and when.
#[derive(Debug)]
pub struct Scheduled<T> {
    /// After the start; nothing where the pace has no schedule.
    pub due: Option<Duration>,
    /// What to send.
    pub item: T,
}

/// Something whose time has come.
#[derive(Debug)]
pub struct Due<T> {
    /// The instant it was due at.
    pub at: Option<Instant>,
    /// What to send.
    pub item: T,
}

/// Hands items on when they are due, until there are no more, the run is stopped, or nobody takes them any more.
///
/// A receiver that is slow holds this up: what is then sent late is sent late, and nothing is lost.
pub fn dispatch<T>(
    items: &crossbeam_channel::Receiver<Vec<Scheduled<T>>>,
    turn: &mut dyn Turn,
    to: &mpsc::Sender<Due<T>>,
    stop: &Stop,
) {
    for Scheduled { due, item } in items.iter().flatten() {
        let Some(at) = turn.wait(due, stop) else { return };
        let gone = match to.try_send(Due { at, item }) {
            Ok(()) => false,
            Err(TrySendError::Full(item)) => to.blocking_send(item).is_err(),
            Err(TrySendError::Closed(_)) => true,
        };
        if gone {
            return;
        }
    }
}
