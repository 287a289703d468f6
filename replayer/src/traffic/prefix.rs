//! An exchange by the beginning of its id.

use std::fmt;
use std::str::FromStr;

use umbra_common::exchange::ExchangeId;
use umbra_common::time::{Timestamp, Window};

/// The first hexadecimal digits of an id, or all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdPrefix(String);

/// Fewer digits would be most of the log: six stand for nearly five hours.
const SHORTEST: usize = 6;
/// Digits of a whole id.
const WHOLE: usize = 32;
/// Digits that say the millisecond.
const MILLIS: usize = 12;

/// A text that begins no id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no exchange id: give the hexadecimal digits that `traffic list` prints, or the first {SHORTEST} or more of them"
)]
pub struct IdPrefixParseError(String);

impl IdPrefix {
    /// Whether an id begins so.
    pub fn is_of(&self, id: ExchangeId) -> bool {
        id.to_string().starts_with(&self.0)
    }

    /// When such an exchange can have arrived: an id begins with the millisecond of its arrival.
    pub fn window(&self) -> Option<Window> {
        let digits = &self.0[..self.0.len().min(MILLIS)];
        let free = u32::try_from(4 * (MILLIS - digits.len())).ok()?;
        let first = u64::from_str_radix(digits, 16).ok()? << free;
        let end = first.saturating_add(1 << free);
        Window::new(Timestamp::from_millis(first), Timestamp::from_millis(end)).ok()
    }

    /// Whether no more than one exchange can have it.
    pub fn is_whole(&self) -> bool {
        self.0.len() == WHOLE
    }
}

impl FromStr for IdPrefix {
    type Err = IdPrefixParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
        let fits = (SHORTEST..=WHOLE).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
        if fits { Ok(Self(digits)) } else { Err(IdPrefixParseError(text.to_owned())) }
    }
}

impl fmt::Display for IdPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_says_when_it_can_have_been() {
        let id = ExchangeId::new(Timestamp::from_nanos(1_700_000_000_123_456_789), 7);
        let text = id.to_string();
        for length in [6, 11, 12, 13, 32] {
            let prefix: IdPrefix = text[..length].parse().unwrap();
            let window = prefix.window().unwrap();
            assert!(prefix.is_of(id) && window.contains(Timestamp::from_millis(id.millis())), "{length}");
            assert_eq!(prefix.is_whole(), length == 32);
        }
        let hour = text[..6].parse::<IdPrefix>().unwrap().window().unwrap();
        assert_eq!(hour.to().as_nanos() - hour.from().as_nanos(), (1 << 24) * 1_000_000);
        for bad in ["", "12345", "zzzzzz", "0123456789abcdef0123456789abcdef0"] {
            assert!(bad.parse::<IdPrefix>().unwrap_err().to_string().contains("is no exchange id"), "{bad}");
        }
        assert!("018BCFE5-687B".parse::<IdPrefix>().is_ok());
    }
}
