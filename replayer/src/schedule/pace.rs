//! The pace: when each exchange of a window is due.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use umbra_common::rate::{Rate, RateParseError};

use super::{Place, Ramp, Speed, Steps};
use crate::text::serde_as_text;

/// How fast a window is sent. **Invariant**: due times are absolute; none depends on when anything was really sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pace {
    /// With the gaps of the recording, times a speed.
    Recorded(Speed),
    /// Evenly.
    Constant(Rate),
    /// Evenly, at a rate that changes.
    Ramp(Ramp),
    /// Evenly, at rates that follow each other.
    Steps(Steps),
    /// As fast as the target takes it: no schedule, no lag.
    Max,
}

impl Pace {
    /// When an exchange is due after the start. `None` where there is no schedule.
    pub fn due(&self, place: Place) -> Option<Duration> {
        match self {
            Self::Recorded(speed) => Some(speed.stretch(place.elapsed)),
            Self::Constant(rate) => Some(rate.due(place.index)),
            Self::Ramp(ramp) => Some(ramp.due(place.index)),
            Self::Steps(steps) => Some(steps.due(place.index)),
            Self::Max => None,
        }
    }

    /// The same after a start at which the place of index `from` is due: the pace goes on where it was.
    pub fn due_from(&self, place: Place, from: u64) -> Option<Duration> {
        let before = self.due(Place { index: from, elapsed: Duration::ZERO })?;
        Some(self.due(place)?.saturating_sub(before))
    }

    /// The rate, of a pace that is nothing else.
    pub fn rate(&self) -> Option<Rate> {
        if let Self::Constant(rate) = self { Some(*rate) } else { None }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::Recorded(Speed::RECORDED)
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recorded(speed) => write!(f, "recorded x {}", speed.to_string().trim_end_matches('x')),
            Self::Constant(rate) => write!(f, "{rate}"),
            Self::Ramp(ramp) => write!(f, "{ramp}"),
            Self::Steps(steps) => write!(f, "{steps}"),
            Self::Max => f.write_str("max"),
        }
    }
}

/// What `--rate` takes: a rate, or `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateOrMax {
    /// A rate.
    Rate(Rate),
    /// No schedule.
    Max,
}

impl FromStr for RateOrMax {
    type Err = RateParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "max" { Ok(Self::Max) } else { text.parse().map(Self::Rate) }
    }
}

impl fmt::Display for RateOrMax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(rate) => write!(f, "{rate}"),
            Self::Max => f.write_str("max"),
        }
    }
}

serde_as_text!(RateOrMax);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_pace_knows_when_the_nth_is_due() {
        let second = Duration::from_secs(1);
        let due = |pace: Pace| pace.due(Place { index: 10, elapsed: second });
        assert_eq!(due(Pace::default()), Some(second));
        assert_eq!(due(Pace::Recorded("4x".parse().unwrap())), Some(second / 4));
        assert_eq!(due(Pace::Constant("5/s".parse().unwrap())), Some(2 * second));
        assert_eq!(due(Pace::Steps("4/s:1s,6/s:1s".parse().unwrap())), Some(2 * second));
        assert_eq!(due(Pace::Max), None);
        assert_eq!("max".parse(), Ok(RateOrMax::Max));
        assert!("fast".parse::<RateOrMax>().is_err());
    }

    proptest! {
        /// A window's due times never go back, at any pace, whatever the gaps.
        #[test]
        fn schedules_are_monotonic(gaps in prop::collection::vec(0u64..1 << 40, 1..50), per in 1u32..100_000) {
            for pace in [
                Pace::default(),
                Pace::Recorded("0.37x".parse().unwrap()),
                Pace::Constant(Rate::per_second(per).unwrap()),
                Pace::Ramp("3/s..900/s:7s".parse().unwrap()),
                Pace::Steps("3/s:2s,900/s:1s,7/s".parse().unwrap()),
            ] {
                let (mut at, mut last) = (0, Duration::ZERO);
                for (index, gap) in gaps.iter().enumerate() {
                    at += gap;
                    let due = pace.due(Place { index: index as u64, elapsed: Duration::from_nanos(at) }).unwrap();
                    prop_assert!(due >= last);
                    last = due;
                }
            }
        }
    }
}
