//! A rate that changes evenly over a time, and stays where it arrived.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use umbra_common::rate::{Rate, RateParseError};
use umbra_common::time::{DurationParseError, HumanDuration};

use crate::text::serde_as_text;

/// From one rate to another in a straight line: `10/s..500/s:5m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ramp {
    from: Rate,
    to: Rate,
    over: Duration,
}

impl Ramp {
    /// When the `n`-th request is due, counted from 0.
    ///
    /// The rate after t is a + (b − a)·t/T, so by then a·t + (b − a)·t²/2T requests are due; this is that, solved for t.
    pub fn due(&self, n: u64) -> Duration {
        let (a, b, time) = (self.from.as_per_second(), self.to.as_per_second(), self.over.as_secs_f64());
        let n = n as f64;
        let in_ramp = (a + b) / 2.0 * time;
        let seconds = if n >= in_ramp {
            time + (n - in_ramp) / b
        } else {
            let slope = (b - a) / time;
            // This form of the root has no difference of nearly equal numbers in it, and holds for a slope of zero.
            2.0 * n / (a + (a * a + 2.0 * slope * n).max(0.0).sqrt())
        };
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

/// A text that is no ramp.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RampParseError {
    /// It has another form.
    #[error("'{0}' is no ramp: give two rates and a time, as in 10/s..500/s:5m")]
    Form(String),
    /// One of the rates is none.
    #[error("in the ramp '{text}': {source}")]
    Rate {
        /// As given.
        text: String,
        /// What is wrong.
        source: RateParseError,
    },
    /// The time is none.
    #[error("in the ramp '{text}': {source}")]
    Duration {
        /// As given.
        text: String,
        /// What is wrong.
        source: DurationParseError,
    },
    /// It would be over before it began.
    #[error("the ramp '{0}' takes no time: give a time above zero, or one --rate")]
    NoTime(String),
}

impl FromStr for Ramp {
    type Err = RampParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || RampParseError::Form(text.to_owned());
        let rate = |t: &str| t.parse().map_err(|source| RampParseError::Rate { text: text.to_owned(), source });
        let (from, rest) = text.split_once("..").ok_or_else(form)?;
        let (to, over) = rest.split_once(':').ok_or_else(form)?;
        let over: HumanDuration =
            over.parse().map_err(|source| RampParseError::Duration { text: text.to_owned(), source })?;
        if over.0.is_zero() {
            return Err(RampParseError::NoTime(text.to_owned()));
        }
        Ok(Self { from: rate(from)?, to: rate(to)?, over: over.0 })
    }
}

impl fmt::Display for Ramp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}:{}", self.from, self.to, HumanDuration(self.over))
    }
}

serde_as_text!(Ramp);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ramp(text: &str) -> Ramp {
        text.parse().unwrap()
    }

    #[test]
    fn ramps_are_read_and_written() {
        assert_eq!(ramp("10/s..500/s:5m").to_string(), "10/s..500/s:5m");
        let error = |text: &str| text.parse::<Ramp>().unwrap_err().to_string();
        assert!(error("10/s").contains("is no ramp"));
        assert!(error("10/s..20/s").contains("is no ramp"));
        assert!(error("0/s..20/s:1m").contains("would send nothing"));
        assert!(error("1/s..20/s:soon").contains("is no duration"));
        assert!(error("1/s..20/s:0s").contains("takes no time"));
    }

    #[test]
    fn the_mean_rate_of_a_ramp_is_the_middle_and_then_it_stays() {
        let up = ramp("10/s..30/s:10s");
        assert_eq!(up.due(200), Duration::from_secs(10));
        assert_eq!(up.due(230), Duration::from_secs(11));
        let down = ramp("30/s..10/s:10s");
        assert_eq!(down.due(200), Duration::from_secs(10));
        assert_eq!(down.due(210), Duration::from_secs(11));
        assert_eq!(ramp("20/s..20/s:1s").due(10), Duration::from_millis(500));
    }

    proptest! {
        #[test]
        fn due_times_never_go_back(n in 0u64..1 << 30, a in 1u32..10_000, b in 1u32..10_000, s in 1u64..10_000) {
            let ramp = Ramp {
                from: Rate::per_second(a).unwrap(),
                to: Rate::per_second(b).unwrap(),
                over: Duration::from_secs(s),
            };
            prop_assert!(ramp.due(n) <= ramp.due(n + 1));
        }
    }
}
