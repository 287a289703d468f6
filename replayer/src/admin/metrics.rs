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

use super::{Commands, Mode};
use crate::report::Live;
use crate::schedule::Strain;
use crate::target::Breaker;

/// One lane, as far as it is shown.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) target: Arc<str>,
    pub(super) ledger: Arc<Ledger<ReplayOutcome>>,
    pub(super) live: Arc<Live>,
    pub(super) strain: Arc<Strain>,
    pub(super) breaker: Arc<Breaker>,
}

/// The lanes that there are by now.
pub(super) type Lanes = Arc<Mutex<Vec<Shown>>>;

pub(super) fn registry(lanes: Lanes, commands: Commands) -> Registry {
    let mut registry = Registry::with_prefix("umbra_replayer");
    registry.register_collector(Box::new(Reader(lanes, commands)));
    registry
}

#[derive(Debug)]
struct Reader(Lanes, Commands);

impl Collector for Reader {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), Error> {
        let Self(lanes, commands) = self;
        let lanes = lanes.lock().unwrap_or_else(PoisonError::into_inner).clone();
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
        for lane in &lanes {
            lane.live.lag.encode(lag.encode_family(&[("target", &*lane.target)])?)?;
        }
        let mut scheduled = to.encode_descriptor(
            "schedule",
            "How far along its schedule the sending is: its rate is 1 where the pace is kept",
            Some(&Unit::Seconds),
            MetricType::Counter,
        )?;
        for lane in &lanes {
            if let Some(scheduled_for) = lane.live.scheduled() {
                let labels = [("target", &*lane.target)];
                ConstCounter::new(scheduled_for.as_secs_f64()).encode(scheduled.encode_family(&labels)?)?;
            }
        }
        let mut gone = to.encode_descriptor(
            "gone",
            "Positions that were removed from the log, by its retention, before they were read",
            None,
            MetricType::Counter,
        )?;
        for lane in &lanes {
            let count = lane.live.gone().unwrap_or(0);
            ConstCounter::new(count).encode(gone.encode_family(&[("target", &*lane.target)])?)?;
        }
        if commands.mode == Mode::Follow {
            let mut behind = to.encode_descriptor(
                "behind",
                "How long ago the exchange arrived that was read last",
                Some(&Unit::Seconds),
                MetricType::Gauge,
            )?;
            for lane in &lanes {
                let labels = [("target", &*lane.target)];
                ConstGauge::new(lane.live.behind().as_secs_f64()).encode(behind.encode_family(&labels)?)?;
            }
            let mut share = to.encode_descriptor(
                "rate_share",
                "This replica's part of the fleet's rate: the part of the partitions that it holds",
                None,
                MetricType::Gauge,
            )?;
            for lane in &lanes {
                ConstGauge::new(lane.live.share()).encode(share.encode_family(&[("target", &*lane.target)])?)?;
            }
            let mut retried = to.encode_descriptor(
                "connect_retried",
                "Attempts to connect to the target that failed; the requests wait for the next",
                None,
                MetricType::Counter,
            )?;
            for lane in &lanes {
                let labels = [("target", &*lane.target)];
                ConstCounter::new(lane.live.retried()).encode(retried.encode_family(&labels)?)?;
            }
            let mut records = to.encode_descriptor(
                "behind_records",
                "Records of the partitions held here that have not ended yet",
                None,
                MetricType::Gauge,
            )?;
            for lane in &lanes {
                if let Some(count) = lane.live.behind_records() {
                    let labels = [("target", &*lane.target)];
                    ConstGauge::new(count).encode(records.encode_family(&labels)?)?;
                }
            }
        }
        let paused = to.encode_descriptor("paused", "Whether an operator has paused it", None, MetricType::Gauge)?;
        ConstGauge::new(i64::from(commands.control.orders().paused.is_some())).encode(paused)?;
        let mut lowered = to.encode_descriptor(
            "pace_lowered",
            "How often the rate was lowered because the target broke a goal of --pace-with",
            None,
            MetricType::Counter,
        )?;
        for lane in &lanes {
            ConstCounter::new(lane.strain.lowered()).encode(lowered.encode_family(&[("target", &*lane.target)])?)?;
        }
        let mut limit = to.encode_descriptor(
            "pace_limit",
            "Requests per second that --pace-with lets a target have; infinite while it keeps its goals",
            None,
            MetricType::Gauge,
        )?;
        for lane in &lanes {
            let now = lane.strain.limit().unwrap_or(f64::INFINITY);
            ConstGauge::new(now).encode(limit.encode_family(&[("target", &*lane.target)])?)?;
        }
        let mut opened = to.encode_descriptor(
            "breaker_opened",
            "How often a target was given up for a while because it did nothing but fail",
            None,
            MetricType::Counter,
        )?;
        for lane in &lanes {
            ConstCounter::new(lane.breaker.opened()).encode(opened.encode_family(&[("target", &*lane.target)])?)?;
        }
        let mut open = to.encode_descriptor(
            "breaker_open",
            "Whether a target is only probed now: 1 or 0",
            None,
            MetricType::Gauge,
        )?;
        for lane in &lanes {
            let now = i64::from(lane.breaker.open_since().is_some());
            ConstGauge::new(now).encode(open.encode_family(&[("target", &*lane.target)])?)?;
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
