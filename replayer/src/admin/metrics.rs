//! The figures of a run as Prometheus reads them, taken from where they are counted.

use std::fmt::Error;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use umbra_common::ledger::{Ledger, ReplayOutcome};

use crate::report::Live;

/// One lane, as far as it is shown.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) target: Arc<str>,
    pub(super) ledger: Arc<Ledger<ReplayOutcome>>,
    pub(super) live: Arc<Live>,
    /// Whether the run follows the live tail.
    pub(super) follows: bool,
}

/// The lanes that there are by now.
pub(super) type Lanes = Arc<Mutex<Vec<Shown>>>;

pub(super) fn registry(lanes: Lanes) -> Registry {
    let mut registry = Registry::with_prefix("umbra_replayer");
    registry.register_collector(Box::new(Reader(lanes)));
    registry
}

#[derive(Debug)]
struct Reader(Lanes);

impl Collector for Reader {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), Error> {
        let lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut seen = to.encode_descriptor(
            "exchanges_seen",
            "Records read from the store for a target",
            None,
            MetricType::Counter,
        )?;
        for lane in &lanes {
            ConstCounter::new(lane.ledger.snapshot().seen).encode(seen.encode_family(&[("target", &*lane.target)])?)?;
        }
        let mut ended = to.encode_descriptor(
            "exchanges_ended",
            "Records by where they ended in the ledger: seen is their sum once all have ended",
            None,
            MetricType::Counter,
        )?;
        for lane in &lanes {
            for end in lane.ledger.snapshot().ends {
                let labels = [("target", &*lane.target), ("state", end.state), ("reason", end.reason)];
                ConstCounter::new(end.count).encode(ended.encode_family(&labels)?)?;
            }
        }
        let mut in_flight = to.encode_descriptor("in_flight", "Shadow requests in flight", None, MetricType::Gauge)?;
        for lane in &lanes {
            ConstGauge::new(lane.live.in_flight()).encode(in_flight.encode_family(&[("target", &*lane.target)])?)?;
        }
        let mut lag = to.encode_descriptor(
            "lag",
            "How much later than scheduled shadow requests left",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for lane in lanes.iter().filter(|lane| !lane.follows) {
            lane.live.lag.encode(lag.encode_family(&[("target", &*lane.target)])?)?;
        }
        let mut behind = to.encode_descriptor(
            "behind",
            "How long ago the exchange arrived that was read last",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        for lane in lanes.iter().filter(|lane| lane.follows) {
            let labels = [("target", &*lane.target)];
            ConstGauge::new(lane.live.behind().as_secs_f64()).encode(behind.encode_family(&labels)?)?;
        }
        let mut latency = to.encode_descriptor(
            "latency",
            "From sending a shadow request to the end of its answer",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for lane in &lanes {
            lane.live.latency.encode(latency.encode_family(&[("target", &*lane.target)])?)?;
        }
        let mut build = to.encode_descriptor("build_info", "The release that runs", None, MetricType::Gauge)?;
        ConstGauge::new(1i64).encode(build.encode_family(&[("version", env!("CARGO_PKG_VERSION"))])?)
    }
}
