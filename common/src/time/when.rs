//! The grammar of a moment on the command line: absolute with a zone, Unix seconds, or relative to now.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{HumanDuration, Timestamp};

/// A moment as given: resolve it once, against one reading of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// `2026-11-17T09:00:00Z`, `2026-11-17T10:00:00+01:00`, or Unix seconds `1763370000[.5]`.
    At(Timestamp),
    /// `now` (zero) or `-15m`.
    Ago(Duration),
    /// `+30s`.
    Ahead(Duration),
}

/// A text that is no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhenParseError {
    /// It has no form that is known.
    #[error(
        "'{0}' is no time: give RFC 3339 (2026-11-17T09:00:00Z), Unix seconds, 'now', or a time from now such as -15m"
    )]
    Form(String),
    /// A date and time that could mean 24 different instants.
    #[error("'{0}' has no zone: add Z for UTC or an offset, as in {0}Z or {0}+01:00")]
    NoZone(String),
    /// Before 1970 or after 2262.
    #[error("'{0}' is outside of the years 1970 to 2262")]
    Range(String),
}

impl When {
    /// The instant, given what time it is.
    pub fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Ago(by) => now.before(by),
            Self::Ahead(by) => now.after(by),
        }
    }
}

impl FromStr for When {
    type Err = WhenParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || WhenParseError::Form(text.to_owned());
        if text == "now" {
            return Ok(Self::Ago(Duration::ZERO));
        }
        let relative = |t: &str| t.parse::<HumanDuration>().map(|d| d.0).map_err(|_| form());
        if let Some(ago) = text.strip_prefix('-') {
            return relative(ago).map(Self::Ago);
        }
        if let Some(ahead) = text.strip_prefix('+') {
            return relative(ahead).map(Self::Ahead);
        }
        if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return unix_seconds(text)
                .ok_or_else(form)?
                .map(Self::At)
                .ok_or_else(|| WhenParseError::Range(text.into()));
        }
        match text.parse::<jiff::Timestamp>() {
            Ok(time) => u64::try_from(time.as_nanosecond())
                .ok()
                .filter(|nanos| *nanos <= Timestamp::LAST.as_nanos())
                .map(|nanos| Self::At(Timestamp::from_nanos(nanos)))
                .ok_or_else(|| WhenParseError::Range(text.to_owned())),
            Err(_) if text.parse::<jiff::civil::DateTime>().is_ok() => Err(WhenParseError::NoZone(text.to_owned())),
            Err(_) => Err(form()),
        }
    }
}

/// `None` for another form, `Some(None)` for a number that is out of range.
fn unix_seconds(text: &str) -> Option<Option<Timestamp>> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    if whole.is_empty() || part.is_empty() || part.len() > 9 || part.contains('.') {
        return None;
    }
    let part: u64 = format!("{part:0<9}").parse().ok()?;
    let nanos = whole
        .parse::<u64>()
        .ok()
        .and_then(|s| s.checked_mul(1_000_000_000))
        .and_then(|n| n.checked_add(part))
        .filter(|n| *n <= Timestamp::LAST.as_nanos());
    Some(nanos.map(Timestamp::from_nanos))
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(time) => write!(f, "{time}"),
            Self::Ago(Duration::ZERO) => f.write_str("now"),
            Self::Ago(by) => write!(f, "-{}", HumanDuration(*by)),
            Self::Ahead(by) => write!(f, "+{}", HumanDuration(*by)),
        }
    }
}

impl Serialize for When {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::LAST;

    fn at(text: &str) -> String {
        text.parse::<When>().unwrap().resolve(Timestamp::from_millis(1_700_000_000_000)).to_string()
    }

    #[test]
    fn every_form_resolves() {
        assert_eq!(at("now"), "2023-11-14T22:13:20Z");
        assert_eq!(at("-15m"), "2023-11-14T21:58:20Z");
        assert_eq!(at("+1h30m"), "2023-11-14T23:43:20Z");
        assert_eq!(at("1700000000"), "2023-11-14T22:13:20Z");
        assert_eq!(at("1700000000.25"), "2023-11-14T22:13:20.25Z");
        assert_eq!(at("2023-11-14T22:13:20Z"), "2023-11-14T22:13:20Z");
        assert_eq!(at("2023-11-14 23:13:20+01:00"), "2023-11-14T22:13:20Z");
        assert_eq!(at("2023-11-14T22:13:20.123456789Z"), "2023-11-14T22:13:20.123456789Z");
    }

    #[test]
    fn a_time_without_a_zone_is_refused_and_says_so() {
        for text in ["2026-11-17T09:00:00", "2026-11-17 09:00", "2026-11-17"] {
            assert_eq!(text.parse::<When>(), Err(WhenParseError::NoZone(text.to_owned())));
        }
    }

    #[test]
    fn what_is_no_time_is_named() {
        for bad in ["", "yesterday", "-", "-15", "+", "1.2.3", ".", "12:00"] {
            assert!(matches!(bad.parse::<When>(), Err(WhenParseError::Form(_))), "{bad}");
        }
        for far in ["1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z", "99999999999999999999"] {
            assert!(matches!(far.parse::<When>(), Err(WhenParseError::Range(_))), "{far}");
        }
    }

    proptest! {
        #[test]
        fn text_and_value_agree(nanos in 0..=Timestamp::LAST.as_nanos()) {
            let when = When::At(Timestamp::from_nanos(nanos));
            prop_assert_eq!(when.to_string().parse(), Ok(when));
            prop_assert_eq!(when.resolve(NOW), Timestamp::from_nanos(nanos));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = text.parse::<When>();
        }
    }
}
