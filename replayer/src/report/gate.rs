//! Gates: what must not hold at the end of a run, as `--fail-if error_rate>1%`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use umbra_common::rate::Rate;
use umbra_common::size::ByteSize;
use umbra_common::time::HumanDuration;

use super::figure::{Figure, Unit};
use super::{Report, TargetReport};
use crate::text::serde_as_text;

/// `FIGURE>VALUE` or `FIGURE<VALUE`: a run that crosses it exits with 99.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    figure: Figure,
    above: bool,
    value: f64,
    text: String,
}

/// What a gate says at the end of a run, of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It held.
    Held,
    /// It was crossed: `staging: error_rate is 3.2%, the gate is error_rate>1%`.
    Crossed(String),
    /// The run had no such figure: there is no lag without a schedule.
    Undecided,
}

impl Gate {
    /// What a run came to.
    pub fn judge(&self, run: &Report, target: &TargetReport) -> Verdict {
        let Some(now) = self.figure.of(run, target) else { return Verdict::Undecided };
        let crossed = if self.above { now > self.value } else { now < self.value };
        if !crossed {
            return Verdict::Held;
        }
        let unit = match self.figure.unit() {
            Unit::Percent => "%",
            Unit::Count => "",
            Unit::Milliseconds => "ms",
            Unit::PerSecond => "/s",
            Unit::Bytes => "B",
        };
        let now = format!("{now:.3}");
        let now = now.trim_end_matches('0').trim_end_matches('.');
        Verdict::Crossed(format!("{}: {} is {now}{unit}, the gate is {self}", target.name, self.figure))
    }

    /// What `--help` says of it.
    pub fn help() -> String {
        format!(
            "Exit with 99 if this holds at the end, at any target: FIGURE>VALUE or FIGURE<VALUE, as in error_rate>1%, \
             lag_p99>50ms, status_changed>0.5%, rate<95/s or failed{{timeout}}>0. Figures: {}",
            Figure::names()
        )
    }
}

/// A text that is no gate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GateParseError {
    /// No comparison.
    #[error("'{0}' is no gate: give FIGURE>VALUE or FIGURE<VALUE, as in error_rate>1%")]
    Form(String),
    /// A figure that there is not.
    #[error(
        "'{name}' is no figure of the report: {}",
        nearest.as_ref().map_or_else(
            || format!("use one of {}", Figure::names()),
            |near| format!("did you mean '{near}'? --help names them all")
        )
    )]
    Figure {
        /// As given.
        name: String,
        /// The one that may have been meant.
        nearest: Option<String>,
    },
    /// A value in another unit.
    #[error("'{value}' is no value for {figure}: give {form}")]
    Value {
        /// As given.
        value: String,
        /// The figure's name.
        figure: String,
        /// What it takes.
        form: &'static str,
    },
}

impl FromStr for Gate {
    type Err = GateParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let at = text.find(['>', '<']).ok_or_else(|| GateParseError::Form(text.to_owned()))?;
        let (name, value) = (text[..at].trim(), text[at + 1..].trim());
        let unknown = |()| GateParseError::Figure { name: name.to_owned(), nearest: Figure::nearest(name) };
        let figure: Figure = name.parse().map_err(unknown)?;
        let wrong = |form| GateParseError::Value { value: value.to_owned(), figure: name.to_owned(), form };
        let value = figure.unit().value(value).map_err(wrong)?;
        Ok(Self { figure, above: text.as_bytes()[at] == b'>', value, text: text.to_owned() })
    }
}

impl Unit {
    /// A value in it; where it is none, what is one.
    fn value(self, text: &str) -> Result<f64, &'static str> {
        let number = |t: &str| t.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0 && !t.contains(['e', '+']));
        match self {
            Self::Percent => text.strip_suffix('%').and_then(number).ok_or("a percentage, as in 1% or 0.5%"),
            Self::Count => text.parse::<u64>().map(|n| n as f64).map_err(|_| "a whole number, as in 0"),
            Self::Milliseconds => {
                let time = text.parse::<HumanDuration>().map_err(|_| "a duration, as in 50ms or 1s")?;
                Ok(time.0.as_secs_f64() / MILLISECOND.as_secs_f64())
            }
            Self::PerSecond => text.parse::<Rate>().map(Rate::as_per_second).map_err(|_| "a rate, as in 95/s or 6/m"),
            Self::Bytes => text.parse::<ByteSize>().map(|size| size.bytes() as f64).map_err(|_| "a size, as in 1MiB"),
        }
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
    use crate::report::Quantiles;

    fn report() -> TargetReport {
        TargetReport {
            name: "staging".into(),
            error_rate: Some(0.02),
            lag: Some(Quantiles { p50_ms: 0.1, p90_ms: 0.2, p99_ms: 60.0, p999_ms: 70.0, max_ms: 80.0 }),
            mean_rate: 94.5,
            received_bytes: 2048,
            ..TargetReport::default()
        }
    }

    fn verdict(text: &str) -> Verdict {
        text.parse::<Gate>().unwrap().judge(&Report::default(), &report())
    }

    fn crossed(text: &str) -> String {
        match verdict(text) {
            Verdict::Crossed(how) => how,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_gate_says_what_crossed_it() {
        assert_eq!(crossed("error_rate>1%"), "staging: error_rate is 2%, the gate is error_rate>1%");
        assert_eq!(verdict("error_rate>2%"), Verdict::Held);
        assert!(crossed("lag_p99 > 50ms").contains("lag_p99 is 60ms"));
        assert_eq!(verdict("lag_p99>100ms"), Verdict::Held);
        assert!(crossed("answered<1").contains("answered is 0"));
        assert_eq!(verdict("failed>0"), Verdict::Held);
        assert!(crossed("rate<95/s").contains("rate is 94.5/s"));
        assert!(crossed("received_bytes > 1KiB").contains("received_bytes is 2048B"));
    }

    #[test]
    fn a_gate_on_what_a_run_did_not_have_is_not_decided() {
        assert_eq!(verdict("latency_p50>1ms"), Verdict::Undecided, "nothing was answered");
        assert_eq!(verdict("drift>1%"), Verdict::Undecided);
    }

    #[test]
    fn what_is_no_gate_is_named() {
        let error = |text: &str| text.parse::<Gate>().unwrap_err().to_string();
        assert!(error("error_rate").contains("give FIGURE>VALUE"));
        assert!(
            error("eror_rate>1%").starts_with("'eror_rate' is no figure of the report: did you mean 'error_rate'?")
        );
        assert!(error("failed{timeouts}>0").contains("did you mean 'failed{timeout}'?"));
        assert!(error("zzz>1%").contains("is no figure of the report: use one of error_rate, status_changed"));
        assert!(error("error_rate>1").contains("a percentage"));
        assert!(error("error_rate>-1%").contains("a percentage"));
        assert!(error("lag_p99>50").contains("a duration"));
        assert!(error("failed>some").contains("a whole number"));
        assert!(error("rate<95").contains("a rate"));
        assert!(error("sent_bytes>x").contains("a size"));
    }
}
