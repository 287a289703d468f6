//! What a target must keep to be sent more: `p99<300ms,errors<2%`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use umbra_common::fraction::{Fraction, FractionParseError};
use umbra_common::time::{DurationParseError, HumanDuration};

use super::Answers;
use crate::text::serde_as_text;

/// Bounds that all have to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goals(Arc<[Goal]>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// So many per mille of the answers take less than this.
    Latency(u32, Duration),
    /// Less than this share gets no answer, or a server's error.
    Errors(Fraction),
}

const QUANTILES: [(&str, u32); 4] = [("p50", 500), ("p90", 900), ("p99", 990), ("p999", 999)];

impl Goals {
    /// The first goal that these answers break, in words.
    pub fn broken(&self, answers: &Answers) -> Option<String> {
        self.0.iter().find_map(|goal| match *goal {
            Goal::Latency(per_mille, bound) => {
                let now = answers.latency(per_mille)?;
                (now >= bound).then(|| format!("{goal} is {:.1}ms", now.as_secs_f64() * 1e3))
            }
            Goal::Errors(bound) => {
                let now = answers.errors()?;
                (now >= bound.as_f64()).then(|| format!("{goal} is {:.2}%", now * 100.0))
            }
        })
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latency(of, bound) => {
                let name = QUANTILES.iter().find(|(_, per_mille)| per_mille == of).map_or("", |(name, _)| name);
                write!(f, "{name}<{}", HumanDuration(*bound))
            }
            Self::Errors(bound) => write!(f, "errors<{bound}"),
        }
    }
}

/// A text that is no goal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GoalsParseError {
    /// It has another form.
    #[error(
        "'{0}' is no goal: give p50, p90, p99 or p999 with a time, or errors with a share, as in p99<300ms,errors<2%"
    )]
    Form(String),
    /// A time that is none.
    #[error("in the goal '{text}': {source}")]
    Duration {
        /// As given.
        text: String,
        /// What is wrong.
        source: DurationParseError,
    },
    /// A share that is none.
    #[error("in the goal '{text}': {source}")]
    Fraction {
        /// As given.
        text: String,
        /// What is wrong.
        source: FractionParseError,
    },
    /// A bound that nothing keeps.
    #[error("no target can keep '{0}': give a bound above zero")]
    Zero(String),
}

impl FromStr for Goal {
    type Err = GoalsParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let owned = || text.to_owned();
        let (figure, bound) = text.split_once('<').ok_or_else(|| GoalsParseError::Form(owned()))?;
        if figure == "errors" {
            let bound = bound.parse().map_err(|source| GoalsParseError::Fraction { text: owned(), source })?;
            return if bound == Fraction::NONE { Err(GoalsParseError::Zero(owned())) } else { Ok(Self::Errors(bound)) };
        }
        let known = QUANTILES.iter().find(|(name, _)| *name == figure);
        let (_, per_mille) = known.ok_or_else(|| GoalsParseError::Form(owned()))?;
        let bound: HumanDuration =
            bound.parse().map_err(|source| GoalsParseError::Duration { text: owned(), source })?;
        if bound.0.is_zero() { Err(GoalsParseError::Zero(owned())) } else { Ok(Self::Latency(*per_mille, bound.0)) }
    }
}

impl FromStr for Goals {
    type Err = GoalsParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.split(',').map(|goal| goal.trim().parse()).collect::<Result<_, _>>()?))
    }
}

impl fmt::Display for Goals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&all.join(","))
    }
}

serde_as_text!(Goals);

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn goals_are_read_and_written() {
        for text in ["p99<300ms,errors<2%", "p50<1s", "errors<0.5%", "p999<2s,p90<100ms"] {
            assert_eq!(text.parse::<Goals>().unwrap().to_string(), text);
        }
        let error = |text: &str| text.parse::<Goals>().unwrap_err().to_string();
        assert!(error("").contains("is no goal"));
        assert!(error("p99>300ms").contains("is no goal"));
        assert!(error("p95<300ms").contains("p50, p90, p99 or p999"));
        assert!(error("p99<300").contains("is no duration"));
        assert!(error("p99<0s").contains("no target can keep"));
        assert!(error("errors<0%").contains("no target can keep"));
        assert!(error("errors<2").contains("in the goal 'errors<2'"));
    }

    #[test]
    fn the_first_broken_one_is_named_with_its_figure() {
        let goals: Goals = "p90<100ms,errors<10%".parse().unwrap();
        let (mut answers, now) = (Answers::default(), Instant::now());
        assert_eq!(goals.broken(&answers), None, "nothing is known yet");
        (0..100).for_each(|_| answers.note(now, Some(Duration::from_millis(20)), false));
        assert_eq!(goals.broken(&answers), None);
        (0..12).for_each(|_| answers.note(now, None, true));
        assert_eq!(goals.broken(&answers).unwrap(), "errors<10% is 10.71%");
        (0..30).for_each(|_| answers.note(now, Some(Duration::from_millis(250)), false));
        assert!(goals.broken(&answers).unwrap().starts_with("p90<100ms is 25"), "{:?}", goals.broken(&answers));
    }
}
