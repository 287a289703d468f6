//! A histogram that costs two additions to memory of one's own.

use std::fmt::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// Upper bounds, in nanoseconds: from a microsecond, which is what a look at a head takes, to a minute, in steps of about
/// three.
const BOUNDS: [u64; 17] = [
    1_000,
    3_000,
    10_000,
    30_000,
    100_000,
    300_000,
    1_000_000,
    3_000_000,
    10_000_000,
    30_000_000,
    100_000_000,
    300_000_000,
    1_000_000_000,
    3_000_000_000,
    10_000_000_000,
    30_000_000_000,
    60_000_000_000,
];

/// Times, counted by buckets. Any thread may read.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// The last is what is over all bounds.
    counts: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

impl Histogram {
    /// Counts a time, where only one thread ever does.
    pub(crate) fn observe(&self, time: Duration) {
        let (at, nanos) = bucket(time);
        add(&self.counts[at], 1);
        add(&self.nanos, nanos);
    }

    /// Counts a time, where several threads do.
    pub(crate) fn observe_shared(&self, time: Duration) {
        let (at, nanos) = bucket(time);
        self.counts[at].fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }
}

fn bucket(time: Duration) -> (usize, u64) {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    (BOUNDS.partition_point(|bound| *bound < nanos), nanos)
}

/// Adds to what no other thread adds to: no need for an addition that none can interrupt, which costs ten times as much.
pub(super) fn add(to: &AtomicU64, more: u64) {
    to.store(to.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

/// What one or several histograms hold together.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Sum {
    counts: [u64; BOUNDS.len() + 1],
    nanos: u64,
}

impl Sum {
    pub(super) fn add(&mut self, histogram: &Histogram) {
        for (sum, count) in self.counts.iter_mut().zip(&histogram.counts) {
            *sum += count.load(Ordering::Relaxed);
        }
        self.nanos = self.nanos.wrapping_add(histogram.nanos.load(Ordering::Relaxed));
    }

    /// How many times were counted.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(super) fn of(histogram: &Histogram) -> Self {
        let mut sum = Self::default();
        sum.add(histogram);
        sum
    }
}

impl EncodeMetric for Sum {
    fn encode(&self, mut to: MetricEncoder<'_>) -> Result<(), Error> {
        let seconds = |nanos: u64| nanos as f64 / 1e9;
        let bounds = BOUNDS.iter().map(|bound| seconds(*bound)).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(self.counts).collect();
        to.encode_histogram::<NoLabelSet>(seconds(self.nanos), self.count(), &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::DescriptorEncoder;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn a_time_counts_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for nanos in [0, 1_000, 1_001, 3_000, 60_000_000_001] {
            histogram.observe(Duration::from_nanos(nanos));
        }
        let sum = Sum::of(&histogram);
        assert_eq!((sum.counts[0], sum.counts[1], sum.counts[17]), (2, 2, 1));
        assert_eq!(sum.nanos, 60_000_005_002);
    }

    #[test]
    fn the_last_bucket_holds_everything() {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Waited));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        // Prometheus gives no quantile of a histogram without it.
        assert!(text.contains("waited_bucket{le=\"+Inf\"} 2\n"), "{text}");
    }

    #[derive(Debug)]
    struct Waited;

    impl Collector for Waited {
        fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), Error> {
            let histogram = Histogram::default();
            for time in [Duration::from_millis(1), Duration::from_hours(1)] {
                histogram.observe(time);
            }
            Sum::of(&histogram).encode(to.encode_descriptor("waited", "A wait", None, MetricType::Histogram)?)
        }
    }
}
