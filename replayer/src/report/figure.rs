//! The figures of a report by name: what a gate can look at, for each target.

use std::fmt;
use std::str::FromStr;

use umbra_common::ledger::{Outcome, ReplayOutcome};

use super::{Quantiles, Report, TargetReport};
use crate::text::nearest;

/// One figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Figure {
    text: String,
    unit: Unit,
    looks_at: LooksAt,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum LooksAt {
    /// One of the named ones.
    Named(usize),
    /// Exchanges that ended in a state for one reason, as the ledger writes it: `failed{connect}`.
    Ledger(&'static str, &'static str),
    /// Answers whose status begins so: `status{503}`, `status{5xx}`; and those that production had answered with another:
    /// `status{200:503}`.
    Status(Option<StatusClass>, StatusClass),
    /// gRPC answers with a status, by its name.
    Grpc(String),
}

/// A status, or all of a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct StatusClass {
    from: u16,
    to: u16,
}

/// What a figure counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Percent,
    Count,
    Milliseconds,
    PerSecond,
    Bytes,
}

/// A figure that has a name of its own.
struct Named {
    name: &'static str,
    unit: Unit,
    /// Nothing where the run had no such figure: there is no lag without a schedule.
    of: fn(&Report, &TargetReport) -> Option<f64>,
}

const fn named(name: &'static str, unit: Unit, of: fn(&Report, &TargetReport) -> Option<f64>) -> Named {
    Named { name, unit, of }
}

const NAMED: [Named; 45] = [
    named("error_rate", Unit::Percent, |_, t| percent(t.error_rate)),
    named("status_changed", Unit::Percent, |_, t| percent(t.status_changed)),
    named("seen", Unit::Count, |_, t| count(t.ledger.seen)),
    named("answered", Unit::Count, |_, t| count(t.ledger.state("answered"))),
    named("failed", Unit::Count, |_, t| count(t.ledger.state("failed"))),
    named("sampled_out", Unit::Count, |_, t| count(t.ledger.state("sampled_out"))),
    named("skipped", Unit::Count, |_, t| count(t.ledger.state("skipped"))),
    named("dropped", Unit::Count, |_, t| count(t.ledger.state("dropped"))),
    named("late", Unit::Count, |_, t| count(t.late)),
    named("sent_again", Unit::Count, |_, t| count(t.sent_again)),
    named("lag_p50", Unit::Milliseconds, |_, t| millis(t.lag, |q| q.p50_ms)),
    named("lag_p90", Unit::Milliseconds, |_, t| millis(t.lag, |q| q.p90_ms)),
    named("lag_p99", Unit::Milliseconds, |_, t| millis(t.lag, |q| q.p99_ms)),
    named("lag_p999", Unit::Milliseconds, |_, t| millis(t.lag, |q| q.p999_ms)),
    named("lag_max", Unit::Milliseconds, |_, t| millis(t.lag, |q| q.max_ms)),
    named("latency_p50", Unit::Milliseconds, |_, t| millis(t.latency, |q| q.p50_ms)),
    named("latency_p90", Unit::Milliseconds, |_, t| millis(t.latency, |q| q.p90_ms)),
    named("latency_p99", Unit::Milliseconds, |_, t| millis(t.latency, |q| q.p99_ms)),
    named("latency_p999", Unit::Milliseconds, |_, t| millis(t.latency, |q| q.p999_ms)),
    named("latency_max", Unit::Milliseconds, |_, t| millis(t.latency, |q| q.max_ms)),
    named("recorded_latency_p50", Unit::Milliseconds, |_, t| millis(t.recorded_latency, |q| q.p50_ms)),
    named("recorded_latency_p90", Unit::Milliseconds, |_, t| millis(t.recorded_latency, |q| q.p90_ms)),
    named("recorded_latency_p99", Unit::Milliseconds, |_, t| millis(t.recorded_latency, |q| q.p99_ms)),
    named("recorded_latency_p999", Unit::Milliseconds, |_, t| millis(t.recorded_latency, |q| q.p999_ms)),
    named("recorded_latency_max", Unit::Milliseconds, |_, t| millis(t.recorded_latency, |q| q.max_ms)),
    named("rate", Unit::PerSecond, |_, t| (t.mean_rate > 0.0).then_some(t.mean_rate)),
    named("rate_min", Unit::PerSecond, |_, t| whole_seconds(&t.per_second).min().map(f64::from)),
    named("rate_max", Unit::PerSecond, |_, t| whole_seconds(&t.per_second).max().map(f64::from)),
    // The rate that was sent, of the one that was scheduled.
    named("rate_kept", Unit::Percent, |_, t| t.drift.map(|drift| 100.0 / (1.0 + drift))),
    // To either side.
    named("drift", Unit::Percent, |_, t| percent(t.drift.map(f64::abs))),
    named("lowered", Unit::Count, |_, t| count(t.spared.lowered)),
    named("lowest_rate", Unit::PerSecond, |_, t| t.spared.lowest_rate),
    named("limited", Unit::Milliseconds, |_, t| Some(t.spared.seconds * MILLIS)),
    named("breaker_opened", Unit::Count, |_, t| count(t.breaker.opened)),
    named("breaker_open", Unit::Milliseconds, |_, t| Some(t.breaker.seconds * MILLIS)),
    named("gone", Unit::Count, |_, t| t.gone.and_then(count)),
    named("sent_bytes", Unit::Bytes, |_, t| count(t.sent_bytes)),
    named("received_bytes", Unit::Bytes, |_, t| count(t.received_bytes)),
    named("changed", Unit::Count, |_, t| count(t.changes.iter().map(|rule| rule.changed).sum())),
    named("not_json", Unit::Count, |_, t| count(t.changes.iter().map(|rule| rule.not_json).sum())),
    named("encoded", Unit::Count, |_, t| count(t.changes.iter().map(|rule| rule.encoded).sum())),
    named("carry_taken", Unit::Count, |_, t| count(t.carried.iter().map(|rule| rule.taken).sum())),
    named("carry_replaced", Unit::Count, |_, t| count(t.carried.iter().map(|rule| rule.replaced).sum())),
    named("carry_unknown", Unit::Count, |_, t| count(t.carried.iter().map(|rule| rule.unknown).sum())),
    // Of the whole run.
    named("took", Unit::Milliseconds, |run, _| Some(run.seconds * MILLIS)),
];

const MILLIS: f64 = 1e3;

fn percent(share: Option<f64>) -> Option<f64> {
    share.map(|share| share * 100.0)
}

#[expect(clippy::unnecessary_wraps, reason = "what a figure is made of")]
fn count(of: u64) -> Option<f64> {
    Some(of as f64)
}

fn millis(of: Option<Quantiles>, which: fn(Quantiles) -> f64) -> Option<f64> {
    of.map(which)
}

/// The last second of a run is hardly ever whole.
fn whole_seconds(counts: &[u32]) -> impl Iterator<Item = u32> + use<'_> {
    counts.iter().take(counts.len().saturating_sub(1)).copied()
}

impl Figure {
    /// What it came to at a target; nothing where the run had no such figure.
    pub(super) fn of(&self, run: &Report, target: &TargetReport) -> Option<f64> {
        match &self.looks_at {
            LooksAt::Named(at) => (NAMED[*at].of)(run, target),
            LooksAt::Ledger(state, reason) => count(target.ledger.reason(state, reason)),
            LooksAt::Status(None, shadow) => {
                count(target.statuses.iter().filter(|(status, _)| shadow.has(**status)).map(|(_, n)| n).sum())
            }
            LooksAt::Status(Some(recorded), shadow) => {
                let pairs = target.status_matrix.iter();
                count(pairs.filter(|p| recorded.has(p.recorded) && shadow.has(p.shadow)).map(|p| p.count).sum())
            }
            LooksAt::Grpc(status) => count(target.grpc_statuses.get(status).copied().unwrap_or(0)),
        }
    }

    /// What it counts in.
    pub(super) fn unit(&self) -> Unit {
        self.unit
    }

    /// All names, for people.
    pub(super) fn names() -> String {
        let named = NAMED.iter().map(|figure| figure.name);
        named
            .chain(["STATE{REASON}", "status{503}", "status{5xx}", "status{200:503}", "grpc{NAME}"])
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The known name that is most like one that is none.
    pub(super) fn nearest(name: &str) -> Option<String> {
        let reasons = ReplayOutcome::ALL.iter().filter(|o| !o.reason().is_empty());
        let reasons: Vec<_> = reasons.map(|o| format!("{}{{{}}}", o.state(), o.reason())).collect();
        let known = NAMED.iter().map(|figure| figure.name).chain(reasons.iter().map(String::as_str));
        nearest(name, known).map(str::to_owned)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Figure {
    /// There is no such figure.
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let figure = |unit, looks_at| Self { text: text.to_owned(), unit, looks_at };
        let Some((name, what)) = text.split_once('{') else {
            let at = NAMED.iter().position(|figure| figure.name == text).ok_or(())?;
            return Ok(figure(NAMED[at].unit, LooksAt::Named(at)));
        };
        let what = what.strip_suffix('}').filter(|what| !what.is_empty()).ok_or(())?;
        let looks_at = match name {
            "status" => match what.split_once(':') {
                Some((recorded, shadow)) => LooksAt::Status(Some(recorded.parse()?), shadow.parse()?),
                None => LooksAt::Status(None, what.parse()?),
            },
            "grpc" => LooksAt::Grpc(what.to_owned()),
            _ => {
                let known = ReplayOutcome::ALL.iter().find(|o| o.state() == name && o.reason() == what).ok_or(())?;
                LooksAt::Ledger(known.state(), known.reason())
            }
        };
        Ok(figure(Unit::Count, looks_at))
    }
}

impl StatusClass {
    fn has(self, status: u16) -> bool {
        (self.from..=self.to).contains(&status)
    }
}

impl FromStr for StatusClass {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let class = text.strip_suffix("xx");
        let (from, to) = match class {
            Some(hundreds) => (hundreds.parse::<u16>().map_err(drop)? * 100, 99),
            None => (text.parse().map_err(drop)?, 0),
        };
        if (100..1000).contains(&from) { Ok(Self { from, to: from + to }) } else { Err(()) }
    }
}

#[cfg(test)]
#[path = "figure_tests.rs"]
mod tests;
