//! Rates of requests, exact enough to schedule a day of them without drift.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::decimal::{self, DecimalError};

/// So many requests in a second, a minute or an hour: `50/s`, `6/m`, `0.5/s`.
///
/// Kept as millionths of a request in a unit of time, so that the due time of the n-th request is a whole division.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    millionths: u64,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Unit {
    Second,
    Minute,
    Hour,
}

impl Unit {
    const fn nanos(self) -> u64 {
        const SECOND: u64 = 1_000_000_000;
        match self {
            Self::Second => SECOND,
            Self::Minute => 60 * SECOND,
            Self::Hour => 3600 * SECOND,
        }
    }
}

const MILLION: u64 = 1_000_000;
/// Six digits may follow the point.
const DIGITS: u32 = 6;
/// A million requests a second: beyond what one process sends, and far from where nanoseconds would round.
const MAX_PER_SECOND: u64 = 1_000_000;

impl Rate {
    /// So many requests a second. A rate of zero is none.
    pub fn per_second(n: u32) -> Option<Self> {
        (n > 0).then_some(Self { millionths: u64::from(n) * MILLION, unit: Unit::Second })
    }

    /// Requests per second.
    pub fn as_per_second(self) -> f64 {
        self.millionths as f64 / MILLION as f64 / (self.unit.nanos() as f64 / 1e9)
    }

    /// When the `n`-th request is due, counted from 0, after the start: `n / rate`, rounded down to a nanosecond.
    pub fn due(self, n: u64) -> Duration {
        let nanos = u128::from(n) * u128::from(self.unit.nanos()) * u128::from(MILLION) / u128::from(self.millionths);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// A text that is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateParseError {
    /// It has another form.
    #[error("'{0}' is no rate: give a number per second, minute or hour, as in 50/s, 6/m or 0.5/s")]
    Form(String),
    /// It would never send anything.
    #[error("a rate of '{0}' would send nothing: give a rate above zero")]
    Zero(String),
    /// It is beyond what can be scheduled.
    #[error(
        "a rate of '{0}' is over {MAX_PER_SECOND}/s, the most that is scheduled: use max to send without a schedule"
    )]
    TooHigh(String),
}

impl FromStr for Rate {
    type Err = RateParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || RateParseError::Form(text.to_owned());
        let (number, unit) = text.split_once('/').ok_or_else(bad)?;
        let unit = match unit {
            "s" => Unit::Second,
            "m" => Unit::Minute,
            "h" => Unit::Hour,
            _ => return Err(bad()),
        };
        let too_high = || RateParseError::TooHigh(text.to_owned());
        let millionths = decimal::parse(number, DIGITS).map_err(|e| match e {
            DecimalError::Form => bad(),
            DecimalError::TooLarge => too_high(),
        })?;
        if millionths == 0 {
            return Err(RateParseError::Zero(text.to_owned()));
        }
        let rate = Self { millionths, unit };
        if rate.as_per_second() > MAX_PER_SECOND as f64 { Err(too_high()) } else { Ok(rate) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Second => "s",
            Unit::Minute => "m",
            Unit::Hour => "h",
        };
        decimal::write(f, self.millionths, DIGITS)?;
        write!(f, "/{unit}")
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rates_are_read_and_written() {
        for text in ["50/s", "6/m", "1/h", "0.5/s", "1000000/s", "2.25/m"] {
            assert_eq!(text.parse::<Rate>().map(|r| r.to_string()), Ok(text.to_owned()));
        }
        for bad in ["", "50", "/s", "50/d", "-1/s", "1e3/s", "50 /s", "0.0000001/s"] {
            assert!(matches!(bad.parse::<Rate>(), Err(RateParseError::Form(_))), "{bad}");
        }
        assert!(matches!("0/s".parse::<Rate>(), Err(RateParseError::Zero(_))));
        assert!(matches!("0.0/m".parse::<Rate>(), Err(RateParseError::Zero(_))));
        assert!(matches!("1000001/s".parse::<Rate>(), Err(RateParseError::TooHigh(_))));
        assert!(matches!("99999999999999999999/s".parse::<Rate>(), Err(RateParseError::TooHigh(_))));
    }

    #[test]
    fn a_day_at_an_odd_rate_does_not_drift() {
        let rate: Rate = "7/s".parse().unwrap();
        assert_eq!(rate.due(7 * 86_400), Duration::from_secs(86_400));
        assert_eq!(rate.due(1), Duration::from_nanos(142_857_142));
        assert_eq!("6/m".parse::<Rate>().unwrap().due(3), Duration::from_secs(30));
    }

    proptest! {
        #[test]
        fn due_times_never_go_back(n in 0u64..1 << 40, per in 1u32..1_000_000) {
            let rate = Rate::per_second(per).unwrap();
            prop_assert!(rate.due(n) <= rate.due(n + 1));
        }
    }
}
