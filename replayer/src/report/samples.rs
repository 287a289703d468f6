//! The few requests that a report shows one by one: the slowest, and the first that failed or were answered otherwise.

use std::time::Duration;

use serde::Serialize;
use umbra_common::exchange::ExchangeId;

use super::{Answer, Recorded};

/// One request of a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// The exchange that it came from: `traffic show` has it whole.
    #[serde(serialize_with = "as_text")]
    pub id: ExchangeId,
    /// Method and path as sent, where the store still had the exchange at the end.
    pub request: Option<String>,
    /// What production answered.
    pub recorded: Option<u16>,
    /// What the target answered.
    pub shadow: Option<u16>,
    /// From sending to the end of the answer, in milliseconds.
    pub latency_ms: Option<f64>,
    /// Why there was no answer, in the sender's words.
    pub failure: Option<String>,
    /// A shell command that sends it again, without the target's tokens.
    pub curl: Option<String>,
}

fn as_text<S: serde::Serializer>(id: &ExchangeId, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(id)
}

/// As many of each kind are kept.
const KEPT: usize = 10;

/// Those of one lane.
#[derive(Debug, Default)]
pub(super) struct Samples {
    /// The slowest first.
    slowest: Vec<(Duration, Sample)>,
    failing: Vec<Sample>,
}

impl Samples {
    pub(super) fn answered(&mut self, recorded: &Recorded, answer: &Answer, changed: bool) {
        let is_slow = self.slowest.len() < KEPT || self.slowest.last().is_some_and(|(took, _)| *took < answer.latency);
        let fails = self.failing.len() < KEPT && (changed || answer.is_error());
        if !is_slow && !fails {
            return;
        }
        let sample = Sample {
            id: recorded.id,
            request: None,
            recorded: recorded.status,
            shadow: Some(answer.status),
            latency_ms: Some(answer.latency.as_secs_f64() * 1e3),
            failure: None,
            curl: None,
        };
        if fails {
            self.failing.push(sample.clone());
        }
        if is_slow {
            let at = self.slowest.partition_point(|(took, _)| *took >= answer.latency);
            self.slowest.insert(at, (answer.latency, sample));
            self.slowest.truncate(KEPT);
        }
    }

    pub(super) fn failed(&mut self, recorded: &Recorded, why: impl FnOnce() -> String) {
        if self.failing.len() < KEPT {
            self.failing.push(Sample {
                id: recorded.id,
                request: None,
                recorded: recorded.status,
                shadow: None,
                latency_ms: None,
                failure: Some(why()),
                curl: None,
            });
        }
    }

    pub(super) fn slowest(&self) -> Vec<Sample> {
        self.slowest.iter().map(|(_, sample)| sample.clone()).collect()
    }

    pub(super) fn failing(&self) -> Vec<Sample> {
        self.failing.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use umbra_common::time::Timestamp;

    #[test]
    fn the_slowest_and_the_first_that_fail_are_kept() {
        let mut samples = Samples::default();
        for n in 0..50_u64 {
            let recorded = Recorded { status: Some(200), ..Recorded::of(ExchangeId::new(Timestamp::ZERO, n)) };
            let status = if n % 2 == 0 { 200 } else { 500 };
            // In no order: 0, 7, 14 … 49, 5 …
            let latency = Duration::from_millis(n * 7 % 50);
            samples.answered(&recorded, &Answer { status, grpc: None, bytes: 0, latency }, status != 200);
        }
        let slowest: Vec<_> = samples.slowest().iter().filter_map(|s| s.latency_ms).map(|ms| ms as u64).collect();
        assert_eq!(slowest, (40..50).rev().collect::<Vec<_>>());
        let failing: Vec<_> = samples.failing().iter().map(|s| s.id.random()).collect();
        assert_eq!(failing, (0..10).map(|n| 2 * n + 1).collect::<Vec<_>>());
        samples.failed(&Recorded::of(ExchangeId::new(Timestamp::ZERO, 99)), || panic!("there are enough"));
    }
}
