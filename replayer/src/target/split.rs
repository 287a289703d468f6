//! Which of several targets gets an exchange, where they share the traffic.

use std::fmt;
use std::hash::Hasher;
use std::str::FromStr;
use std::sync::Arc;

use siphasher::sip::SipHasher13;
use umbra_common::exchange::Exchange;

use super::Target;
use crate::carry::SessionBy;
use crate::text::serde_as_text;

/// `NAME=WEIGHT`: a target's part of the traffic that it shares with the others that have a weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weight {
    /// The target.
    pub target: Arc<str>,
    /// Its part of the sum of all weights.
    pub weight: u32,
}

/// A text that is no weight.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no weight: give NAME=WEIGHT with a whole number from 1, as in staging=90")]
pub struct WeightParseError(String);

impl FromStr for Weight {
    type Err = WeightParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (target, weight) = text.split_once('=')?;
            let weight = weight.parse().ok().filter(|weight| *weight > 0)?;
            (!target.is_empty()).then(|| Self { target: target.into(), weight })
        };
        read().ok_or_else(|| WeightParseError(text.to_owned()))
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.target, self.weight)
    }
}

serde_as_text!(Weight);

/// One target's part of the traffic.
///
/// **Invariant**: of targets that share it, each exchange is in exactly one part, whichever process asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portion {
    by: SessionBy,
    from: u64,
    to: u64,
    of: u64,
}

/// Fixed, so that all processes agree; another than those of sampling and of shards, so that a part of those is still
/// shared as asked.
const KEY: (u64, u64) = (0x756d_6272_612d_7370, 0x6c69_7400_0000_0001);

impl Portion {
    /// The part of a target; nothing where it has no weight, and so gets everything.
    pub fn of(target: &Target, weights: &[Weight], by: &SessionBy) -> Option<Self> {
        let at = weights.iter().position(|weight| weight.target == target.name)?;
        let sum = |weights: &[Weight]| weights.iter().map(|w| u64::from(w.weight)).sum();
        let (from, of) = (sum(&weights[..at]), sum(weights));
        Some(Self { by: by.clone(), from, to: from + u64::from(weights[at].weight), of })
    }

    /// Whether the target gets the exchange. Those of one session go to one target.
    pub fn holds(&self, exchange: &Exchange) -> bool {
        let mut hasher = SipHasher13::new_with_keys(KEY.0, KEY.1);
        match self.by.of(exchange) {
            Some(session) => hasher.write(&session),
            None => hasher.write(&exchange.id.to_bytes()),
        }
        (self.from..self.to).contains(&(hasher.finish() % self.of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    use crate::testing::exchange;

    fn portions(weights: &[u32], by: &SessionBy) -> Vec<Portion> {
        let weights: Vec<Weight> =
            weights.iter().enumerate().map(|(i, w)| format!("t{i}={w}").parse().unwrap()).collect();
        let target = |weight: &Weight| format!("{}=http://127.0.0.1:1", weight.target).parse().unwrap();
        weights.iter().map(|weight| Portion::of(&target(weight), &weights, by).unwrap()).collect()
    }

    #[test]
    fn a_weight_is_a_name_and_a_number() {
        assert_eq!("a.b=90".parse::<Weight>().unwrap().to_string(), "a.b=90");
        for bad in ["", "a", "a=", "=1", "a=0", "a=-1", "a=1.5", "a=90%"] {
            assert!(bad.parse::<Weight>().unwrap_err().to_string().contains("give NAME=WEIGHT"), "{bad}");
        }
        let other: Target = "other=http://127.0.0.1:1".parse().unwrap();
        assert_eq!(Portion::of(&other, &["a=1".parse().unwrap()], &SessionBy::Key), None);
    }

    #[test]
    fn parts_are_as_large_as_their_weights_say() {
        let portions = portions(&[90, 10], &SessionBy::Key);
        let mut sample = exchange("/", Duration::ZERO);
        let held = (0..10_000u32).filter(|i| {
            sample.session = i.to_be_bytes().to_vec().into();
            portions[1].holds(&sample)
        });
        // Five standard deviations of 30.
        assert!(held.count().abs_diff(1000) < 150);
    }

    proptest! {
        #[test]
        fn every_exchange_is_in_exactly_one_part(
            weights in proptest::collection::vec(1u32..1000, 1..6), session: Vec<u8>,
        ) {
            let mut exchange = exchange("/", Duration::ZERO);
            exchange.session = session.into();
            let holders = portions(&weights, &SessionBy::Key).iter().filter(|p| p.holds(&exchange)).count();
            prop_assert_eq!(holders, 1);
        }
    }
}
