//! One start for all lanes: nobody is ahead because its first record was read sooner.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use umbra_common::time::Timestamp;

use crate::stop::Stop;

/// Where lanes wait until every one of them has its first request ready (or knows that it has none).
#[derive(Debug)]
pub struct StartLine {
    at: Option<Timestamp>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    awaited: usize,
    start: Option<Instant>,
}

/// From the last lane's word to the first due time: every dispatcher is awake by then.
const LEAD: Duration = Duration::from_millis(5);
/// How often the wish to stop is looked at.
const LOOK: Duration = Duration::from_millis(50);

impl StartLine {
    /// For so many lanes; `at` is a start that was asked for.
    pub fn new(lanes: usize, at: Option<Timestamp>) -> Self {
        Self { at, state: Mutex::new(State { awaited: lanes, start: None }), changed: Condvar::new() }
    }

    /// One lane is ready. Called once by each.
    pub fn ready(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.awaited = state.awaited.saturating_sub(1);
        if state.awaited == 0 && state.start.is_none() {
            let lead = self.at.map_or(LEAD, |at| at.since(Timestamp::now()).max(LEAD));
            state.start = Some(Instant::now() + lead);
            self.changed.notify_all();
        }
    }

    /// The common start, once it is known; nothing where the run is stopped first.
    pub fn wait(&self, stop: &Stop) -> Option<Instant> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.start.is_none() && !stop.is_stopped() {
            state = self.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.start.filter(|_| !stop.is_stopped())
    }

    /// The common start, if it is known by now.
    pub fn start(&self) -> Option<Instant> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).start
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn nobody_starts_before_the_last_is_ready() {
        let line = Arc::new(StartLine::new(2, None));
        line.ready();
        assert_eq!(line.start(), None);
        let waiting = std::thread::spawn({
            let line = line.clone();
            move || line.wait(&Stop::new())
        });
        line.ready();
        let start = waiting.join().unwrap();
        assert!(start.is_some());
        assert_eq!(line.wait(&Stop::new()), start);
    }

    #[test]
    fn a_stop_ends_the_wait() {
        let (line, stop) = (StartLine::new(1, None), Stop::new());
        stop.stop();
        assert_eq!(line.wait(&stop), None);
    }
}
