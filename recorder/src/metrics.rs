//! What is counted, and how Prometheus reads it.
//!
//! The ledger and the budget are read where they are kept, so that no number has two sources.

mod deliveries;
mod histogram;
mod meter;
mod recording;

pub(crate) use deliveries::Deliveries;
pub(crate) use meter::{Meter, Meters};

use std::fmt::Error;
use std::sync::Arc;

use http::StatusCode;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};
use umbra_common::store::{SpoolFigures, StoreState};

use crate::accept::Parting;
use crate::admin::View;
use crate::certificate::Reloads;
use crate::edge::Refusal;
use crate::forward::Failure;

/// The classes of status codes that a client can get; 1xx are no final answers.
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// The error codes of HTTP/2 (RFC 9113, 7), by their numbers; 0 is no error.
const HTTP2_CODES: [&str; 13] = [
    "protocol_error",
    "internal_error",
    "flow_control_error",
    "settings_timeout",
    "stream_closed",
    "frame_size_error",
    "refused_stream",
    "cancel",
    "compression_error",
    "connect_error",
    "enhance_your_calm",
    "inadequate_security",
    "http_1_1_required",
];

/// What the workers count.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: Counter,
    pub(crate) connections_open: Gauge,
    pub(crate) tls_handshakes_failed: Counter,
    pub(crate) certificate_reloads: Arc<Reloads>,
    pub(crate) http1: Counter,
    pub(crate) http2: Counter,
    pub(crate) tunnels: Counter,
    pub(crate) tunnels_open: Gauge,
    pub(crate) tunnel_up: Counter,
    pub(crate) tunnel_down: Counter,
    responses: [Counter; CLASSES.len()],
    refused: [Counter; Refusal::ALL.len()],
    parted: [Counter; Parting::ALL.len()],
    pub(crate) accept_failed: Counter,
    stream_errors: [Counter; HTTP2_CODES.len()],
    connection_errors: [Counter; HTTP2_CODES.len()],
    upstream_failed: [Counter; Failure::KINDS.len()],
}

impl Counters {
    /// A response's head went to a client.
    pub(crate) fn response(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(2);
        if let Some(counter) = self.responses.get(class) {
            counter.inc();
        }
    }

    /// The edge refused a request.
    pub(crate) fn refused(&self, refusal: Refusal) {
        if let Some(at) = Refusal::ALL.iter().position(|r| *r == refusal) {
            self.refused[at].inc();
        }
    }

    /// A connection was ended, or turned away.
    pub(crate) fn parted(&self, why: Parting) {
        if let Some(at) = Parting::ALL.iter().position(|p| *p == why) {
            self.parted[at].inc();
        }
    }

    /// An HTTP/2 client was told of an error, which ended a stream or its connection.
    pub(crate) fn http2_error(&self, of_connection: bool, code: u32) {
        let errors = if of_connection { &self.connection_errors } else { &self.stream_errors };
        if let Some(counter) = (code as usize).checked_sub(1).and_then(|at| errors.get(at)) {
            counter.inc();
        }
    }

    /// The upstream gave no answer.
    pub(crate) fn upstream_failed(&self, failure: &Failure) {
        self.upstream_failed[failure.kind()].inc();
    }
}

/// The registry that `/metrics` prints.
pub(crate) fn registry(view: Arc<View>) -> Registry {
    let mut registry = Registry::with_prefix("umbra_recorder");
    registry.register_collector(Box::new(Reader(view)));
    registry
}

#[derive(Debug)]
struct Reader(Arc<View>);

impl Collector for Reader {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), Error> {
        let view = &*self.0;
        let counters = &view.shared.counters;
        let ledger = view.shared.ledger.snapshot();
        ConstCounter::new(ledger.seen).encode(to.encode_descriptor(
            "requests_seen",
            "Requests whose head arrived",
            None,
            MetricType::Counter,
        )?)?;
        let mut ends = to.encode_descriptor(
            "requests_ended",
            "Requests by where they ended in the ledger: seen is their sum once all have ended",
            None,
            MetricType::Counter,
        )?;
        for end in &ledger.ends {
            ConstCounter::new(end.count)
                .encode(ends.encode_family(&[("state", end.state), ("reason", end.reason)])?)?;
        }
        let classes = CLASSES.iter().copied().zip(&counters.responses);
        family(&mut to, "responses", "Responses by the class of their status", "class", classes)?;
        let reasons = Refusal::ALL.iter().map(|r| r.as_str()).zip(&counters.refused);
        family(&mut to, "refused", "Requests refused at the edge, by reason", "reason", reasons)?;
        let reasons = Parting::ALL.iter().map(|p| p.as_str()).zip(&counters.parted);
        let help = "Connections that were ended or turned away, by reason";
        family(&mut to, "connections_ended", help, "reason", reasons)?;
        let help = "HTTP/2 streams that were reset, by error code; refused_stream is one over the limit";
        let codes = HTTP2_CODES.iter().copied();
        family(&mut to, "http2_stream_errors", help, "code", codes.clone().zip(&counters.stream_errors))?;
        let help = "HTTP/2 connections that were ended with GOAWAY, by error code";
        family(&mut to, "http2_connection_errors", help, "code", codes.zip(&counters.connection_errors))?;
        ConstCounter::new(counters.accept_failed.get()).encode(to.encode_descriptor(
            "accept_failures",
            "Attempts to accept a connection that failed for want of file descriptors or memory",
            None,
            MetricType::Counter,
        )?)?;
        let kinds = Failure::KINDS.iter().copied().zip(&counters.upstream_failed);
        family(&mut to, "upstream_failures", "Requests that the upstream gave no answer to, by kind", "kind", kinds)?;
        ConstCounter::new(counters.connections.get()).encode(to.encode_descriptor(
            "connections",
            "Connections accepted",
            None,
            MetricType::Counter,
        )?)?;
        ConstCounter::new(counters.tls_handshakes_failed.get()).encode(to.encode_descriptor(
            "tls_handshakes_failed",
            "TLS handshakes with clients that did not succeed",
            None,
            MetricType::Counter,
        )?)?;
        let reloads = &counters.certificate_reloads;
        let results = [("taken", &reloads.taken), ("refused", &reloads.refused)].into_iter();
        family(
            &mut to,
            "certificate_reloads",
            "Changes of the certificate's files, by what came of them",
            "result",
            results,
        )?;
        let protocols = [("http1", &counters.http1), ("http2", &counters.http2)].into_iter();
        family(&mut to, "connection_protocols", "Connections by what they spoke", "protocol", protocols)?;
        gauge(&mut to, "connections_open", "Connections open now", None, counters.connections_open.get())?;
        ConstCounter::new(counters.tunnels.get()).encode(to.encode_descriptor(
            "tunnels",
            "Connections and streams that changed their protocol",
            None,
            MetricType::Counter,
        )?)?;
        gauge(&mut to, "tunnels_open", "Tunnels open now", None, counters.tunnels_open.get())?;
        let ways = [("up", &counters.tunnel_up), ("down", &counters.tunnel_down)].into_iter();
        family(&mut to, "tunnel_bytes", "Bytes through tunnels, up to the origin or down to clients", "way", ways)?;
        let total = view.shared.meters.total();
        let (bytes, seconds) = (Some(&Unit::Bytes), Some(&Unit::Seconds));
        ConstCounter::new(total.sent_again).encode(to.encode_descriptor(
            "upstream_sent_again",
            "Requests that the upstream had not looked at, sent to it again",
            None,
            MetricType::Counter,
        )?)?;
        counter(&mut to, "request_body", "Bytes of requests' bodies that came from clients", bytes, total.received)?;
        counter(&mut to, "response_body", "Bytes of responses' bodies that went to clients", bytes, total.sent)?;
        let help = "From a request's head to the response's: what the recorder took, without the origin's part";
        total.added.encode(to.encode_descriptor("added", help, seconds, MetricType::Histogram)?)?;
        let help = "From a request's head to the response's: what the origin took, the request's body included";
        total.origin.encode(to.encode_descriptor("origin", help, seconds, MetricType::Histogram)?)?;
        let budget = &view.shared.budget;
        gauge(&mut to, "memory", "What all records under way hold", bytes, signed(budget.used()))?;
        gauge(&mut to, "memory_limit", "What they may hold: --memory-limit", bytes, signed(budget.limit()))?;
        gauge(&mut to, "queue_batches", "Batches that wait for the store's thread", None, signed(view.queued()))?;
        gauge(&mut to, "queue_limit_batches", "Batches that may wait", None, signed(view.queue_limit()))?;
        // Where nothing has been written yet, nothing is wrong.
        let up = i64::from(view.health.get().0 != StoreState::Down);
        gauge(&mut to, "store_up", "0 while the store does not confirm what is written", None, up)?;
        if let (Some(figures), Some(spool)) = (&view.spool, &view.shared.config.spool) {
            encode_spool(&mut to, figures, spool.limit.bytes())?;
        }
        recording::encode(view, &mut to)?;
        let mut build = to.encode_descriptor("build_info", "The release that runs", None, MetricType::Gauge)?;
        ConstGauge::new(1i64).encode(build.encode_family(&[("version", env!("CARGO_PKG_VERSION"))])?)
    }
}

fn encode_spool(to: &mut DescriptorEncoder<'_>, spool: &SpoolFigures, limit: u64) -> Result<(), Error> {
    let bytes = Some(&Unit::Bytes);
    gauge(to, "spool", "What the spool's files hold", bytes, signed(spool.bytes()))?;
    gauge(to, "spool_limit", "What they may hold: --spool-limit", bytes, signed(limit))?;
    for (name, help, count) in [
        ("spool_written", "Records written to the spool; they are recorded", spool.written()),
        (
            "spool_delivered",
            "Records of the spool that the store has confirmed, also an earlier process's",
            spool.delivered(),
        ),
        ("spool_undeliverable", "Records of the spool that the store refuses for good", spool.undeliverable()),
        ("spool_errors", "Failures to write, read or remove the spool's files", spool.errors()),
    ] {
        ConstCounter::new(count).encode(to.encode_descriptor(name, help, None, MetricType::Counter)?)?;
    }
    let help = "Bytes of the spool that could not be read back";
    ConstCounter::new(spool.unreadable_bytes()).encode(to.encode_descriptor(
        "spool_unreadable",
        help,
        bytes,
        MetricType::Counter,
    )?)
}

fn family<'a>(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    counts: impl Iterator<Item = (&'static str, &'a Counter)>,
) -> Result<(), Error> {
    let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (value, counter) in counts {
        ConstCounter::new(counter.get()).encode(family.encode_family(&[(label, value)])?)?;
    }
    Ok(())
}

fn numbers<'a>(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    counts: impl Iterator<Item = (&'a str, u64)>,
) -> Result<(), Error> {
    let mut family = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (value, count) in counts {
        ConstCounter::new(count).encode(family.encode_family(&[(label, value)])?)?;
    }
    Ok(())
}

fn counter(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: u64,
) -> Result<(), Error> {
    ConstCounter::new(value).encode(to.encode_descriptor(name, help, unit, MetricType::Counter)?)
}

fn gauge(to: &mut DescriptorEncoder<'_>, name: &str, help: &str, unit: Option<&Unit>, value: i64) -> Result<(), Error> {
    ConstGauge::new(value).encode(to.encode_descriptor(name, help, unit, MetricType::Gauge)?)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
