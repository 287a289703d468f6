//! The circuit breaker: nothing is sent to a target that has failed again and again, but for a probe now and then.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// After how many failures in a row a breaker opens: `--breaker 100`, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakAfter {
    /// So many, one at least.
    Failures(u32),
    /// It never opens.
    Never,
}

/// More than one server of several takes with it when it ends, with the usual number of connections to each; a target
/// that is down reaches it within moments at any rate that could hurt.
const DEFAULT: u32 = 100;

impl Default for BreakAfter {
    fn default() -> Self {
        Self::Failures(DEFAULT)
    }
}

/// A text that says nothing about a breaker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no number of failures: give a whole number from 1, or off")]
pub struct BreakAfterParseError(String);

impl FromStr for BreakAfter {
    type Err = BreakAfterParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Never),
            _ => match text.parse() {
                Ok(count @ 1..) => Ok(Self::Failures(count)),
                _ => Err(BreakAfterParseError(text.to_owned())),
            },
        }
    }
}

impl fmt::Display for BreakAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failures(count) => write!(f, "{count}"),
            Self::Never => f.write_str("off"),
        }
    }
}

impl Serialize for BreakAfter {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BreakAfter {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        /// In a file, a number may be written as one.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(i64),
            Text(String),
        }
        let text = match Written::deserialize(from)? {
            Written::Number(number) => number.to_string(),
            Written::Text(text) => text,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One target's breaker. It is told the time and asks no clock.
///
/// Requests that left before it opened, or before a probe, say nothing about the target now: each has the number of the
/// stretch in which it left, and only those of the present one count.
#[derive(Debug)]
pub struct Breaker {
    target: Arc<str>,
    after: BreakAfter,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    stretch: u64,
    opened: u64,
    /// How long it was open, over all stretches that are over.
    open: Duration,
    /// When it was last said that it opened, and whether it is to be said that it closes.
    said: Option<Instant>,
    say_closed: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed {
        failures: u32,
    },
    /// Since then, with a probe at `until`, which is `pause` after the one before.
    Open {
        since: Instant,
        until: Instant,
        pause: Duration,
    },
    /// A probe is under way.
    Probing {
        since: Instant,
        pause: Duration,
    },
}

/// One request may leave; what comes of it is told by [`Breaker::ended`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass(u64);

/// Nothing is sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Look again at this moment.
    pub again: Instant,
    /// For so long already.
    pub since: Instant,
}

/// What the report says of a breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Broken {
    /// How often it opened.
    pub opened: u64,
    /// For how long it was open, in seconds.
    pub seconds: f64,
}

/// From opening to the first probe; doubled with each that fails. So a target that is back is found at the latest after as
/// long again as it was away.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A target that comes and goes is spoken of this often.
const SAY_EVERY: Duration = Duration::from_secs(30);
/// How soon to look again while a probe is under way.
const LOOK: Duration = Duration::from_millis(100);

impl Breaker {
    /// A closed one, for a target of this name.
    pub fn new(target: Arc<str>, after: BreakAfter) -> Self {
        let state = State::Closed { failures: 0 };
        let inner = Inner { state, stretch: 0, opened: 0, open: Duration::ZERO, said: None, say_closed: false };
        Self { target, after, inner: Mutex::new(inner) }
    }

    /// The target's name.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Whether one may leave.
    pub fn enter(&self, now: Instant) -> Result<Pass, Refused> {
        let mut inner = self.inner();
        match inner.state {
            State::Closed { .. } => Ok(Pass(inner.stretch)),
            State::Open { since, until, pause } if now >= until => {
                inner.stretch += 1;
                inner.state = State::Probing { since, pause };
                Ok(Pass(inner.stretch))
            }
            State::Open { since, until, .. } => Err(Refused { again: until, since }),
            State::Probing { since, .. } => Err(Refused { again: now + LOOK, since }),
        }
    }

    /// One that left has ended, with an answer unless there is a `failure`.
    pub fn ended(&self, pass: Pass, failure: Option<&dyn fmt::Display>, now: Instant) {
        let BreakAfter::Failures(most) = self.after else { return };
        let mut inner = self.inner();
        if pass.0 != inner.stretch {
            return;
        }
        match (inner.state, failure) {
            (State::Open { .. }, _) => {}
            (State::Closed { .. }, None) => inner.state = State::Closed { failures: 0 },
            (State::Closed { failures }, Some(_)) if failures + 1 < most => {
                inner.state = State::Closed { failures: failures + 1 };
            }
            (State::Closed { .. }, Some(why)) => {
                inner.opened += 1;
                inner.stretch += 1;
                inner.state = State::Open { since: now, until: now + FIRST_PAUSE, pause: FIRST_PAUSE };
                self.say_opened(&mut inner, why, now);
            }
            (State::Probing { since, pause }, Some(_)) => {
                let pause = LONGEST_PAUSE.min(2 * pause);
                inner.state = State::Open { since, until: now + pause, pause };
            }
            (State::Probing { since, .. }, None) => {
                let open = now.saturating_duration_since(since);
                inner.open += open;
                inner.state = State::Closed { failures: 0 };
                if std::mem::take(&mut inner.say_closed) {
                    tracing::info!(target = %self.target, ?open, "the target answers again; the breaker is closed");
                }
            }
        }
    }

    fn say_opened(&self, inner: &mut Inner, why: &dyn fmt::Display, now: Instant) {
        if inner.said.is_some_and(|at| now.saturating_duration_since(at) < SAY_EVERY) {
            return;
        }
        (inner.said, inner.say_closed) = (Some(now), true);
        let failures = self.after;
        tracing::warn!(target = %self.target, %why, %failures, "the target only fails; the breaker is open, and probes it");
    }

    /// Since when nothing but probes is sent; nothing while it is closed.
    pub fn open_since(&self) -> Option<Instant> {
        match self.inner().state {
            State::Closed { .. } => None,
            State::Open { since, .. } | State::Probing { since, .. } => Some(since),
        }
    }

    /// How often it has opened.
    pub fn opened(&self) -> u64 {
        self.inner().opened
    }

    /// What the report says at `now`.
    pub fn broken(&self, now: Instant) -> Broken {
        let open = self.open_since().map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let inner = self.inner();
        Broken { opened: inner.opened, seconds: (inner.open + open).as_secs_f64() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    const FAILURE: Option<&dyn fmt::Display> = Some(&"refused");

    fn breaker(after: &str) -> Breaker {
        Breaker::new("staging".into(), after.parse().unwrap())
    }

    #[test]
    fn a_number_or_off() {
        assert_eq!("off".parse(), Ok(BreakAfter::Never));
        assert_eq!("7".parse::<BreakAfter>().unwrap().to_string(), "7");
        for bad in ["", "0", "-1", "1.5", "on", "100%"] {
            assert!(bad.parse::<BreakAfter>().unwrap_err().to_string().contains("or off"), "{bad}");
        }
    }

    #[test]
    fn an_answer_in_between_keeps_it_closed() {
        let (breaker, now) = (breaker("3"), Instant::now());
        for failure in [FAILURE, FAILURE, None, FAILURE, FAILURE, None] {
            breaker.ended(breaker.enter(now).unwrap(), failure, now);
        }
        assert_eq!((breaker.opened(), breaker.open_since()), (0, None));
    }

    #[test]
    fn an_open_one_lets_one_probe_through_and_waits_twice_as_long_after_each() {
        let (breaker, start) = (breaker("3"), Instant::now());
        for _ in 0..3 {
            assert_eq!(breaker.open_since(), None);
            breaker.ended(breaker.enter(start).unwrap(), FAILURE, start);
        }
        let (mut now, mut pause) = (start, SECOND);
        for _ in 0..8 {
            let early = now + pause - Duration::from_millis(1);
            assert_eq!(breaker.enter(early), Err(Refused { again: now + pause, since: start }));
            now += pause;
            let probe = breaker.enter(now).unwrap();
            assert!(breaker.enter(now).is_err(), "one probe at a time");
            breaker.ended(probe, FAILURE, now);
            pause = LONGEST_PAUSE.min(2 * pause);
        }
        assert_eq!(pause, LONGEST_PAUSE);
        now += pause;
        breaker.ended(breaker.enter(now).unwrap(), None, now);
        assert!(breaker.enter(now).is_ok());
        let broken = breaker.broken(now + SECOND);
        assert_eq!((broken.opened, broken.seconds), (1, (now - start).as_secs_f64()));
    }

    #[test]
    fn what_left_before_it_opened_says_nothing_any_more() {
        let (breaker, now) = (breaker("1"), Instant::now());
        let (first, old) = (breaker.enter(now).unwrap(), breaker.enter(now).unwrap());
        breaker.ended(first, FAILURE, now);
        breaker.ended(old, None, now);
        assert!(breaker.enter(now).is_err());
        let probe = breaker.enter(now + SECOND).unwrap();
        breaker.ended(old, None, now + SECOND);
        assert!(breaker.open_since().is_some());
        breaker.ended(probe, None, now + SECOND);
        breaker.ended(old, FAILURE, now + SECOND);
        assert!(breaker.enter(now + SECOND).is_ok(), "it left before the target was well again");
    }

    #[test]
    fn one_that_is_off_never_opens() {
        let (breaker, now) = (breaker("off"), Instant::now());
        for _ in 0..1000 {
            breaker.ended(breaker.enter(now).unwrap(), FAILURE, now);
        }
        assert!(breaker.enter(now).is_ok());
    }
}
