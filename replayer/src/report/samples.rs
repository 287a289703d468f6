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

/// As many of the slowest and of the failed are kept.
const KEPT: usize = 10;
/// As many are kept of those that were answered otherwise, and no more than so many with the same two statuses: one
/// endpoint that is broken hides no other.
const OTHERWISE: usize = 20;
const ALIKE: usize = 3;

/// Those of one lane.
#[derive(Debug, Default)]
pub(super) struct Samples {
    /// The slowest first.
    slowest: Vec<(Duration, Sample)>,
    failed: Vec<Sample>,
    otherwise: Vec<Sample>,
}

impl Samples {
    pub(super) fn answered(&mut self, recorded: &Recorded, answer: &Answer, changed: bool) {
        let is_slow = self.slowest.len() < KEPT || self.slowest.last().is_some_and(|(took, _)| *took < answer.latency);
        let alike = |sample: &&Sample| (sample.recorded, sample.shadow) == (recorded.status, Some(answer.status));
        let fails = (changed || answer.is_error())
            && self.otherwise.len() < OTHERWISE
            && self.otherwise.iter().filter(alike).count() < ALIKE;
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
            self.otherwise.push(sample.clone());
        }
        if is_slow {
            let at = self.slowest.partition_point(|(took, _)| *took >= answer.latency);
            self.slowest.insert(at, (answer.latency, sample));
            self.slowest.truncate(KEPT);
        }
    }

    pub(super) fn failed(&mut self, recorded: &Recorded, why: impl FnOnce() -> String) {
        if self.failed.len() < KEPT {
            self.failed.push(Sample {
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

    /// Those without an answer, then those with another than production's.
    pub(super) fn failing(&self) -> Vec<Sample> {
        self.failed.iter().chain(&self.otherwise).cloned().collect()
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
            let status = if n % 2 == 0 { 200 } else { 500 + n as u16 % 5 };
            // In no order: 0, 7, 14 … 49, 5 …
            let latency = Duration::from_millis(n * 7 % 50);
            samples.answered(&recorded, &Answer { status, grpc: None, bytes: 0, latency }, status != 200);
        }
        let slowest: Vec<_> = samples.slowest().iter().filter_map(|s| s.latency_ms).map(|ms| ms as u64).collect();
        assert_eq!(slowest, (40..50).rev().collect::<Vec<_>>());
        // Three of each of the five statuses: every fifth odd number has the same.
        let otherwise: Vec<_> = samples.failing().iter().map(|s| s.id.random()).collect();
        assert_eq!(otherwise, (0..15).map(|n| 2 * n + 1).collect::<Vec<_>>());
        let failed = Recorded::of(ExchangeId::new(Timestamp::ZERO, 99));
        (0..KEPT).for_each(|_| samples.failed(&failed, || "refused".into()));
        samples.failed(&failed, || panic!("there are enough"));
        assert_eq!(samples.failing()[KEPT - 1].failure.as_deref(), Some("refused"), "failures stand first");
        assert_eq!(samples.failing().len(), KEPT + 15);
    }
}
