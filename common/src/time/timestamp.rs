//! An instant in nanoseconds since the Unix epoch.

use std::fmt;
use std::time::Duration;

/// Nanoseconds since 1970-01-01T00:00:00Z, up to the year 2262.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// The last instant that fits a signed 64-bit count of nanoseconds, which SQLite and jiff use.
const LAST_NANOS: u64 = i64::MAX as u64;
const NANOS_PER_MILLI: u64 = 1_000_000;

impl Timestamp {
    /// The epoch.
    pub const ZERO: Self = Self(0);
    /// The last instant that can be written: 2262-04-11.
    pub const LAST: Self = Self(LAST_NANOS);

    /// Now, by the wall clock. A clock before 1970 reads as the epoch.
    #[expect(clippy::disallowed_types, reason = "the one place that reads the wall clock")]
    pub fn now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(LAST_NANOS))
    }

    /// So many nanoseconds after the epoch, at most [`LAST`](Self::LAST).
    pub fn from_nanos(nanos: u64) -> Self {
        Self(nanos.min(LAST_NANOS))
    }

    /// So many milliseconds after the epoch.
    pub fn from_millis(millis: u64) -> Self {
        Self::from_nanos(millis.saturating_mul(NANOS_PER_MILLI))
    }

    /// In nanoseconds since the epoch.
    pub fn as_nanos(self) -> u64 {
        self.0
    }

    /// In whole milliseconds since the epoch, as Kafka counts.
    pub fn as_millis(self) -> i64 {
        (self.0 / NANOS_PER_MILLI) as i64
    }

    /// Later by a duration, at most [`LAST`](Self::LAST).
    pub fn after(self, by: Duration) -> Self {
        Self::from_nanos(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Earlier by a duration, at least the epoch.
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero where it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// RFC 3339 in UTC, with as many decimals as there are.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(time) = jiff::Timestamp::from_nanosecond(i128::from(self.0)) else { return Err(fmt::Error) };
        write!(f, "{time}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_in_utc() {
        assert_eq!(Timestamp::from_millis(1_700_000_000_500).to_string(), "2023-11-14T22:13:20.5Z");
        assert!(Timestamp::LAST.to_string().starts_with("2262-04-11"));
        assert_eq!(Timestamp::ZERO.to_string(), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn arithmetic_stays_in_range() {
        assert_eq!(Timestamp::LAST.after(Duration::MAX), Timestamp::LAST);
        assert_eq!(Timestamp::ZERO.before(Duration::MAX), Timestamp::ZERO);
        assert_eq!(Timestamp::ZERO.since(Timestamp::LAST), Duration::ZERO);
        assert!(Timestamp::now() > Timestamp::from_millis(1_700_000_000_000));
    }
}
