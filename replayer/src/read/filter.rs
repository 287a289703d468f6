//! Which of the recorded exchanges are meant.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;
use umbra_common::exchange::Exchange;
use umbra_common::fraction::Fraction;
use umbra_common::ledger::{ReplayOutcome, ReplaySkip};

use super::Condition;

/// What is left out, by rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Only this share, the same exchanges each time.
    pub sample: Fraction,
    /// Only exchanges for which all of these hold.
    pub conditions: Vec<Condition>,
}

/// Another key than the recorder's, so that a sample of a sample is one; fixed, so that each run takes the same.
const KEY: (u64, u64) = (0x756d_6272_6173_616d, 0x706c_6500_0000_0001);

impl Filter {
    /// How the exchange ends where it is not meant; nothing where it is.
    pub fn leaves_out(&self, exchange: &Exchange) -> Option<ReplayOutcome> {
        if !self.conditions.iter().all(|condition| condition.holds(exchange)) {
            return Some(ReplayOutcome::Skipped(ReplaySkip::Filtered));
        }
        (!self.samples(exchange)).then_some(ReplayOutcome::SampledOut)
    }

    /// Whether sampling takes the exchange. Nested: what a small share takes, a larger one takes too.
    fn samples(&self, exchange: &Exchange) -> bool {
        if self.sample == Fraction::ALL {
            return true;
        }
        let mut hasher = SipHasher13::new_with_keys(KEY.0, KEY.1);
        hasher.write(&exchange.id.to_bytes());
        self.sample.takes(hasher.finish())
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self { sample: Fraction::ALL, conditions: Vec::new() }
    }
}
