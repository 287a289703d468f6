//! The metrics of what is recorded: rules, redaction, the way into the store.

use std::fmt::Error;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::{counter, gauge, numbers};
use crate::admin::View;

pub(super) fn encode(view: &View, to: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
    let rules = &view.shared.rules;
    let live = rules.live();
    gauge(to, "recording", "1 while requests are recorded, 0 while that is paused", None, {
        i64::from(rules.paused_by().is_none())
    })?;
    let mut info = to.encode_descriptor("rules_info", "The version of the rules in force", None, MetricType::Gauge)?;
    ConstGauge::new(1i64).encode(info.encode_family(&[("version", live.version())])?)?;
    let matched = live.list().map(|(name, _, counts)| (name, counts.matched()));
    numbers(to, "rule_matched", "Requests by the rule that decided; default where none matched", "rule", matched)?;
    let taken = live.list().map(|(name, _, counts)| (name, counts.taken()));
    numbers(to, "rule_taken", "Requests that sampling took, by the rule that decided", "rule", taken)?;
    let (reloads, failures) = rules.counts();
    counter(to, "rules_reloads", "Rules that took the place of others", None, reloads)?;
    counter(to, "rules_reload_failures", "Rules that were refused; those in force stayed", None, failures)?;

    let redactions = &view.shared.redactions;
    let help = "Values that were masked, dropped or hashed in records, by place";
    numbers(to, "redacted_values", help, "place", redactions.values())?;
    let help = "Bodies left out of records because they could not be looked into, by reason";
    numbers(to, "redacted_bodies_dropped", help, "reason", redactions.bodies())?;

    let deliveries = &view.shared.deliveries;
    numbers(to, "store_deliveries", "Records by what the store said of them", "result", deliveries.results())?;
    let help = "From a record's hand-over to the store to its confirmation";
    let seconds = Some(&Unit::Seconds);
    deliveries.seconds().encode(to.encode_descriptor("store_delivery", help, seconds, MetricType::Histogram)?)
}
