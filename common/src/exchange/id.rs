//! Exchange ids: time-ordered like UUID version 7 (RFC 9562, 5.7), made without a lock.

use std::fmt;
use std::str::FromStr;

use crate::time::Timestamp;

/// 128 bits in the form of a UUID version 7: 48 bits of milliseconds, 12 bits of the rest of the millisecond, 62 random bits.
///
/// Written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(u128);

const VERSION: u128 = 0x7 << 76;
const VARIANT: u128 = 0b10 << 62;
const RANDOM_MASK: u128 = (1 << 62) - 1;
const NANOS_PER_MILLI: u64 = 1_000_000;
const HEX: &[u8; 16] = b"0123456789abcdef";

impl ExchangeId {
    /// The id of a request that arrived at `arrival`, told from others of that instant by `random`.
    pub fn new(arrival: Timestamp, random: u64) -> Self {
        let nanos = arrival.as_nanos();
        let millis = u128::from(nanos / NANOS_PER_MILLI) & ((1 << 48) - 1);
        let fraction = u128::from((nanos % NANOS_PER_MILLI) * 4096 / NANOS_PER_MILLI);
        Self(millis << 80 | VERSION | fraction << 64 | VARIANT | (u128::from(random) & RANDOM_MASK))
    }

    /// The id with these bytes, in network order.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// The bytes in network order, which sort by time.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The id as it is written: 32 digits of lower-case ASCII, without what formatting costs with every record.
    pub fn to_hex(self) -> [u8; 32] {
        let mut digits = [0; 32];
        for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(self.to_bytes()) {
            *pair = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
        }
        digits
    }

    /// The millisecond of arrival, as milliseconds since the epoch.
    pub fn millis(self) -> u64 {
        (self.0 >> 80) as u64
    }

    /// The random part: 62 bits, spread evenly, for decisions for each request.
    pub fn random(self) -> u64 {
        (self.0 & RANDOM_MASK) as u64
    }
}

/// Makes ids on one thread.
#[derive(Debug)]
pub struct IdSource(fastrand::Rng);

impl IdSource {
    /// A source with a seed of its own from the operating system.
    pub fn new() -> Self {
        Self(fastrand::Rng::new())
    }

    /// The id for a request that arrived now.
    pub fn next(&mut self, arrival: Timestamp) -> ExchangeId {
        ExchangeId::new(arrival, self.0.u64(..))
    }
}

impl Default for IdSource {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExchangeId({self})")
    }
}

/// A text that is no exchange id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no exchange id: give the 32 hexadecimal digits that `traffic list` prints")]
pub struct IdParseError(String);

impl FromStr for ExchangeId {
    type Err = IdParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(IdParseError(text.to_owned()));
        }
        u128::from_str_radix(&digits, 16).map(Self).map_err(|_| IdParseError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_arrival_and_are_uuid_version_7() {
        let early = ExchangeId::new(Timestamp::from_nanos(1_700_000_000_000_500_000), u64::MAX);
        let late = ExchangeId::new(Timestamp::from_nanos(1_700_000_000_000_900_000), 0);
        assert!(early < late);
        assert_eq!(early.millis(), 1_700_000_000_000);
        let text = early.to_string();
        assert_eq!(&text[12..13], "7");
        assert!("89ab".contains(&text[16..17]));
        assert_eq!(text.parse(), Ok(early));
        assert_eq!(text.as_bytes(), early.to_hex());
        assert_eq!(ExchangeId::from_bytes(early.to_bytes()), early);
    }

    #[test]
    fn what_is_no_id_is_named() {
        for bad in ["", "12", "zz000000000000000000000000000000", "+2000000000000000000000000000000"] {
            assert!(bad.parse::<ExchangeId>().unwrap_err().to_string().contains("32 hexadecimal"), "{bad}");
        }
    }
}
