//! Gates: what must not hold at the end of a run, as `--fail-if error_rate>1%`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use umbra_common::time::HumanDuration;

use super::{Quantiles, TargetReport};
use crate::text::serde_as_text;

/// `FIGURE>VALUE` or `FIGURE<VALUE`: a run that crosses it exits with 99.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    figure: Figure,
    above: bool,
    value: f64,
    text: String,
}

/// What a gate can look at, for each target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    ErrorRate,
    StatusChanged,
    Failed,
    Dropped,
    Skipped,
    Answered,
    Lag(Quantile),
    Latency(Quantile),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantile {
    P50,
    P90,
    P99,
    P999,
    Max,
}

/// What a figure counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Percent,
    Count,
    Milliseconds,
}

const FIGURES: [(&str, Figure); 16] = [
    ("error_rate", Figure::ErrorRate),
    ("status_changed", Figure::StatusChanged),
    ("failed", Figure::Failed),
    ("dropped", Figure::Dropped),
    ("skipped", Figure::Skipped),
    ("answered", Figure::Answered),
    ("lag_p50", Figure::Lag(Quantile::P50)),
    ("lag_p90", Figure::Lag(Quantile::P90)),
    ("lag_p99", Figure::Lag(Quantile::P99)),
    ("lag_p999", Figure::Lag(Quantile::P999)),
    ("lag_max", Figure::Lag(Quantile::Max)),
    ("latency_p50", Figure::Latency(Quantile::P50)),
    ("latency_p90", Figure::Latency(Quantile::P90)),
    ("latency_p99", Figure::Latency(Quantile::P99)),
    ("latency_p999", Figure::Latency(Quantile::P999)),
    ("latency_max", Figure::Latency(Quantile::Max)),
];

impl Figure {
    fn unit(self) -> Unit {
        match self {
            Self::ErrorRate | Self::StatusChanged => Unit::Percent,
            Self::Failed | Self::Dropped | Self::Skipped | Self::Answered => Unit::Count,
            Self::Lag(_) | Self::Latency(_) => Unit::Milliseconds,
        }
    }

    /// Nothing where the run had no such figure: there is no lag without a schedule.
    fn of(self, report: &TargetReport) -> Option<f64> {
        let state = |name: &str| Some(report.ledger.state(name) as f64);
        match self {
            Self::ErrorRate => report.error_rate.map(|r| r * 100.0),
            Self::StatusChanged => report.status_changed.map(|r| r * 100.0),
            Self::Failed => state("failed"),
            Self::Dropped => state("dropped"),
            Self::Skipped => state("skipped"),
            Self::Answered => state("answered"),
            Self::Lag(q) => report.lag.map(|l| q.of(l)),
            Self::Latency(q) => report.latency.map(|l| q.of(l)),
        }
    }
}

impl Quantile {
    fn of(self, q: Quantiles) -> f64 {
        match self {
            Self::P50 => q.p50_ms,
            Self::P90 => q.p90_ms,
            Self::P99 => q.p99_ms,
            Self::P999 => q.p999_ms,
            Self::Max => q.max_ms,
        }
    }
}

impl Gate {
    /// What crossed the gate: `staging: error_rate is 3.2%`; nothing where it held.
    pub fn crossed(&self, report: &TargetReport) -> Option<String> {
        let now = self.figure.of(report)?;
        let crossed = if self.above { now > self.value } else { now < self.value };
        let name = FIGURES.iter().find(|(_, f)| *f == self.figure).map_or("", |(name, _)| name);
        let unit = match self.figure.unit() {
            Unit::Percent => "%",
            Unit::Count => "",
            Unit::Milliseconds => "ms",
        };
        let now = format!("{now:.3}");
        let now = now.trim_end_matches('0').trim_end_matches('.');
        crossed.then(|| format!("{}: {name} is {now}{unit}, the gate is {self}", report.name))
    }
}

/// A text that is no gate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GateParseError {
    /// No comparison.
    #[error("'{0}' is no gate: give FIGURE>VALUE or FIGURE<VALUE, as in error_rate>1%")]
    Form(String),
    /// A figure that there is not.
    #[error("'{0}' is no figure of the report: use one of {known}", known = FIGURES.map(|(name, _)| name).join(", "))]
    Figure(String),
    /// A value in another unit.
    #[error("'{value}' is no value for {figure}: give {form}")]
    Value {
        /// As given.
        value: String,
        /// The figure's name.
        figure: &'static str,
        /// What it takes.
        form: &'static str,
    },
}

impl FromStr for Gate {
    type Err = GateParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let at = text.find(['>', '<']).ok_or_else(|| GateParseError::Form(text.to_owned()))?;
        let (name, value) = (text[..at].trim(), text[at + 1..].trim());
        let (name, figure) = FIGURES
            .into_iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| GateParseError::Figure(name.to_owned()))?;
        let wrong = |form| GateParseError::Value { value: value.to_owned(), figure: name, form };
        let number = |t: &str| t.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0 && !t.contains(['e', '+']));
        let value = match figure.unit() {
            Unit::Percent => {
                value.strip_suffix('%').and_then(number).ok_or_else(|| wrong("a percentage, as in 1% or 0.5%"))?
            }
            Unit::Count => value.parse::<u32>().map(f64::from).map_err(|_| wrong("a whole number, as in 0"))?,
            Unit::Milliseconds => {
                let time: HumanDuration = value.parse().map_err(|_| wrong("a duration, as in 50ms or 1s"))?;
                time.0.as_secs_f64() / MILLISECOND.as_secs_f64()
            }
        };
        let above = text.as_bytes()[at] == b'>';
        Ok(Self { figure, above, value, text: text.to_owned() })
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

serde_as_text!(Gate);

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> TargetReport {
        TargetReport {
            name: "staging".into(),
            error_rate: Some(0.02),
            lag: Some(Quantiles { p50_ms: 0.1, p90_ms: 0.2, p99_ms: 60.0, p999_ms: 70.0, max_ms: 80.0 }),
            ..TargetReport::default()
        }
    }

    fn crossed(text: &str) -> Option<String> {
        text.parse::<Gate>().unwrap().crossed(&report())
    }

    #[test]
    fn a_gate_says_what_crossed_it() {
        assert_eq!(crossed("error_rate>1%").unwrap(), "staging: error_rate is 2%, the gate is error_rate>1%");
        assert_eq!(crossed("error_rate>2%"), None);
        assert!(crossed("lag_p99 > 50ms").unwrap().contains("lag_p99 is 60ms"));
        assert_eq!(crossed("lag_p99>100ms"), None);
        assert!(crossed("answered<1").unwrap().contains("answered is 0"));
        assert_eq!(crossed("failed>0"), None);
        assert_eq!(crossed("latency_p50>1ms"), None, "nothing was answered");
    }

    #[test]
    fn what_is_no_gate_is_named() {
        let error = |text: &str| text.parse::<Gate>().unwrap_err().to_string();
        assert!(error("error_rate").contains("give FIGURE>VALUE"));
        assert!(error("errors>1%").contains("use one of error_rate, status_changed"));
        assert!(error("error_rate>1").contains("a percentage"));
        assert!(error("error_rate>-1%").contains("a percentage"));
        assert!(error("lag_p99>50").contains("a duration"));
        assert!(error("failed>some").contains("a whole number"));
    }
}
