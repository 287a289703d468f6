//! Which of the recorded exchanges are meant.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;
use umbra_common::exchange::Exchange;
use umbra_common::fraction::Fraction;

/// What is left out, by rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Only this share, the same exchanges each time.
    pub sample: Fraction,
}

/// Another key than the recorder's, so that a sample of a sample is one; fixed, so that each run takes the same.
const KEY: (u64, u64) = (0x756d_6272_6173_616d, 0x706c_6500_0000_0001);

impl Filter {
    /// Whether sampling takes the exchange. Nested: what a small share takes, a larger one takes too.
    pub fn samples(&self, exchange: &Exchange) -> bool {
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
        Self { sample: Fraction::ALL }
    }
}
