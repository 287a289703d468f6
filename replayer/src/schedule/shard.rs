//! One process's part of a replay that several share.

use std::fmt;
use std::hash::Hasher;
use std::str::FromStr;

use siphasher::sip::SipHasher13;
use umbra_common::exchange::ExchangeId;

use crate::text::serde_as_text;

/// `I/N`: the I-th of N shards, counted from 1. The N shards together hold each exchange once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    part: u32,
    of: u32,
}

/// Fixed, so that all processes agree; another than the sampling key, so that a shard of a sample is still spread evenly.
const KEY: (u64, u64) = (0x756d_6272_612d_7368, 0x6172_6400_0000_0001);

impl Shard {
    /// Everything.
    pub const WHOLE: Self = Self { part: 1, of: 1 };

    /// How many there are.
    pub fn of(self) -> u32 {
        self.of
    }

    /// Whether this shard sends the exchange.
    pub fn holds(self, id: ExchangeId) -> bool {
        let mut hasher = SipHasher13::new_with_keys(KEY.0, KEY.1);
        hasher.write(&id.to_bytes());
        hasher.finish() % u64::from(self.of) == u64::from(self.part - 1)
    }
}

/// A text that is no shard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no shard: give I/N with I from 1 to N, as in 1/4 (or counted from 0, as in 0+1/4)")]
pub struct ShardParseError(String);

impl FromStr for Shard {
    type Err = ShardParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // An index that counts from 0, as a Kubernetes Job's, cannot be counted up where it is put into a command line.
        let count = |part: &str| match part.strip_suffix("+1") {
            Some(index) => index.parse::<u32>().ok()?.checked_add(1),
            None => part.parse().ok(),
        };
        text.split_once('/')
            .and_then(|(part, of)| Some(Self { part: count(part)?, of: of.parse().ok()? }))
            .filter(|shard| (1..=shard.of).contains(&shard.part))
            .ok_or_else(|| ShardParseError(text.to_owned()))
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.of)
    }
}

serde_as_text!(Shard);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shards_count_from_one() {
        assert_eq!("4/4".parse::<Shard>().unwrap().to_string(), "4/4");
        for bad in ["", "1", "0/4", "5/4", "1/0", "-1/4", "1/4/2", "a/b", "4+1/4", "1+2/4", "+1/4", "4294967295+1/4"] {
            assert!(bad.parse::<Shard>().unwrap_err().to_string().contains("is no shard"), "{bad}");
        }
    }

    #[test]
    fn an_index_that_counts_from_zero_is_counted_up() {
        let shards: Vec<String> = (0..3).map(|i| format!("{i}+1/3").parse::<Shard>().unwrap().to_string()).collect();
        assert_eq!(shards, ["1/3", "2/3", "3/3"]);
    }

    proptest! {
        #[test]
        fn every_exchange_is_in_exactly_one_shard(id: [u8; 16], of in 1u32..20) {
            let holders = (1..=of).filter(|part| Shard { part: *part, of }.holds(ExchangeId::from_bytes(id)));
            prop_assert_eq!(holders.count(), 1);
        }
    }
}
