//! One start for all lanes: nobody is ahead because its first record was read sooner.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use umbra_common::time::Timestamp;

/// Where lanes wait until every one of them has its first request ready (or knows that it has none).
#[derive(Debug)]
pub struct StartLine {
    at: Option<Timestamp>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    awaited: usize,
    start: Option<Instant>,
}

/// From the last lane's word to the first due time: every dispatcher has seen it by then.
const LEAD: Duration = Duration::from_millis(5);

impl StartLine {
    /// For so many lanes; `at` is a start that was asked for.
    pub fn new(lanes: usize, at: Option<Timestamp>) -> Self {
        Self { at, state: Mutex::new(State { awaited: lanes, start: None }) }
    }

    /// The start that was asked for.
    pub fn at(&self) -> Option<Timestamp> {
        self.at
    }

    /// One lane is ready. Called once by each.
    pub fn ready(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.awaited = state.awaited.saturating_sub(1);
        if state.awaited == 0 && state.start.is_none() {
            let lead = self.at.map_or(LEAD, |at| at.since(Timestamp::now()).max(LEAD));
            state.start = Some(Instant::now() + lead);
        }
    }

    /// The common start, once it is known.
    pub fn start(&self) -> Option<Instant> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_starts_before_the_last_is_ready() {
        let line = StartLine::new(2, None);
        line.ready();
        assert_eq!(line.start(), None);
        line.ready();
        let start = line.start().unwrap();
        line.ready();
        assert_eq!(line.start(), Some(start));
    }

    #[test]
    fn a_start_that_was_asked_for_is_kept() {
        let (line, wish) = (StartLine::new(1, Some(Timestamp::now().after(Duration::from_secs(60)))), Instant::now());
        line.ready();
        let ahead = line.start().unwrap() - wish;
        assert!(ahead > Duration::from_secs(55) && ahead < Duration::from_secs(65), "{ahead:?}");
    }
}
