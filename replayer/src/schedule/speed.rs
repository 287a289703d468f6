//! A multiple of the recorded speed.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use umbra_common::decimal;

use crate::text::serde_as_text;

/// How many times as fast as recorded: `1x`, `0.5x`, `10x`. An exact ratio, so that a long window does not drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed {
    /// In millionths.
    millionths: u64,
}

const MILLION: u64 = 1_000_000;
const DIGITS: u32 = 6;
/// 0.01x: a window of a minute takes more than an hour and a half.
const SLOWEST: u64 = MILLION / 100;
/// 1000x: beyond it `--rate max` says what is meant.
const FASTEST: u64 = 1000 * MILLION;

impl Speed {
    /// As recorded.
    pub const RECORDED: Self = Self { millionths: MILLION };

    /// How long a stretch of recorded time takes at this speed, rounded down to a nanosecond.
    pub fn stretch(self, recorded: Duration) -> Duration {
        let nanos = recorded.as_nanos() * u128::from(MILLION) / u128::from(self.millionths);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How much recorded time passes in so much time at this speed, rounded down to a nanosecond.
    pub fn recorded(self, passed: Duration) -> Duration {
        let nanos = passed.as_nanos() * u128::from(self.millionths) / u128::from(MILLION);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// A text that is no speed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no speed: give a multiple from 0.01x to 1000x, as in 1x, 0.5x or 10x")]
pub struct SpeedParseError(String);

impl FromStr for Speed {
    type Err = SpeedParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || SpeedParseError(text.to_owned());
        let number = text.strip_suffix('x').ok_or_else(bad)?;
        let millionths = decimal::parse(number, DIGITS).map_err(|_| bad())?;
        if (SLOWEST..=FASTEST).contains(&millionths) { Ok(Self { millionths }) } else { Err(bad()) }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal::write(f, self.millionths, DIGITS)?;
        f.write_str("x")
    }
}

serde_as_text!(Speed);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn speeds_are_read_and_written() {
        for text in ["1x", "0.5x", "10x", "0.01x", "1000x", "1.25x"] {
            assert_eq!(text.parse::<Speed>().map(|s| s.to_string()), Ok(text.to_owned()));
        }
        for bad in ["", "1", "x", "0x", "0.001x", "1001x", "-1x", "1e2x", "1 x", "1.0000001x"] {
            assert!(bad.parse::<Speed>().unwrap_err().to_string().contains("is no speed"), "{bad}");
        }
    }

    #[test]
    fn a_day_at_an_odd_speed_does_not_drift() {
        let day = Duration::from_secs(86_400);
        assert_eq!("3x".parse::<Speed>().unwrap().stretch(day), Duration::from_secs(28_800));
        assert_eq!("0.5x".parse::<Speed>().unwrap().stretch(day), 2 * day);
        assert_eq!(Speed::RECORDED.stretch(Duration::from_nanos(7)), Duration::from_nanos(7));
        assert_eq!("0.5x".parse::<Speed>().unwrap().recorded(2 * day), day);
    }

    proptest! {
        #[test]
        fn text_and_value_agree(millionths in SLOWEST..=FASTEST) {
            let speed = Speed { millionths };
            prop_assert_eq!(speed.to_string().parse(), Ok(speed));
        }
    }
}
