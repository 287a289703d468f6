//! A share of traffic, from one in a billion to all of it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::decimal;

/// A fraction in parts per billion, written as a percentage: `100%`, `12.5%`, `0.0001%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fraction(u32);

const WHOLE: u32 = 1_000_000_000;
/// One percent is ten million parts per billion: seven digits may follow the point.
const DIGITS: u32 = 7;

impl Fraction {
    /// Everything.
    pub const ALL: Self = Self(WHOLE);
    /// Nothing.
    pub const NONE: Self = Self(0);

    /// So many parts per billion; what is over a billion is all.
    pub fn from_ppb(ppb: u32) -> Self {
        Self(ppb.min(WHOLE))
    }

    /// In parts per billion.
    pub fn ppb(self) -> u32 {
        self.0
    }

    /// As a number from 0 to 1.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / f64::from(WHOLE)
    }

    /// Whether a point, spread evenly over all `u64`, lies in the fraction.
    ///
    /// Nested: what lies in a fraction lies in every larger one.
    pub fn takes(self, point: u64) -> bool {
        ((u128::from(point) * u128::from(WHOLE)) >> 64) < u128::from(self.0)
    }
}

/// A text that is no fraction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no fraction: give a percentage from 0% to 100% with at most {DIGITS} digits after the point, as in 0.01% or 25%"
)]
pub struct FractionParseError(String);

impl FromStr for Fraction {
    type Err = FractionParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || FractionParseError(text.to_owned());
        let number = text.strip_suffix('%').ok_or_else(bad)?;
        let ppb = decimal::parse(number, DIGITS).map_err(|_| bad())?;
        u32::try_from(ppb).ok().filter(|p| *p <= WHOLE).map(Self).ok_or_else(bad)
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal::write(f, self.0.into(), DIGITS)?;
        f.write_str("%")
    }
}

impl Serialize for Fraction {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fraction {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentages_are_read_and_written() {
        for (text, ppb) in [("100%", WHOLE), ("0%", 0), ("0.01%", 100_000), ("0.0001%", 1_000), ("12.5%", 125_000_000)]
        {
            assert_eq!(text.parse::<Fraction>().map(Fraction::ppb), Ok(ppb));
            assert_eq!(Fraction(ppb).to_string(), text);
        }
        for bad in ["", "1", "%", "101%", "-1%", "1e2%", "0.00000001%", "1.%", ".5%", "+1%"] {
            assert!(bad.parse::<Fraction>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn text_and_value_agree(ppb in 0..=WHOLE) {
            prop_assert_eq!(Fraction(ppb).to_string().parse(), Ok(Fraction(ppb)));
        }

        #[test]
        fn fractions_are_nested(a in 0..=WHOLE, b in 0..=WHOLE, point: u64) {
            let (small, large) = (Fraction(a.min(b)), Fraction(a.max(b)));
            prop_assert!(!small.takes(point) || large.takes(point));
        }

        #[test]
        fn all_takes_all_and_none_takes_none(point: u64) {
            prop_assert!(Fraction::ALL.takes(point) && !Fraction::NONE.takes(point));
        }
    }
}
