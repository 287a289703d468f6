//! The dispatcher: a thread of its own that wakes for each due time, because an asynchronous timer ticks at 1 ms.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

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
    items: &crossbeam_channel::Receiver<Scheduled<T>>,
    turn: &mut dyn Turn,
    to: &mpsc::Sender<Due<T>>,
    stop: &Stop,
) {
    for Scheduled { due, item } in items {
        let Some(at) = turn.wait(due, stop) else { return };
        if to.blocking_send(Due { at, item }).is_err() {
            return;
        }
    }
}
