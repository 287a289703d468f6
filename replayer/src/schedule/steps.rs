//! Rates that follow each other, each for its time.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use umbra_common::rate::{Rate, RateParseError};
use umbra_common::time::{DurationParseError, HumanDuration};

use crate::text::serde_as_text;

/// `100/s:1m,200/s:1m,400/s`: each rate for its time, and the last one until the end, whether it has a time or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps {
    steps: Arc<[Step]>,
    /// Whether the last one was given a time.
    closed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    rate: Rate,
    lasts: Duration,
}

impl Steps {
    /// When the `n`-th request is due, counted from 0.
    pub fn due(&self, n: u64) -> Duration {
        let (mut begin, mut left) = (0.0, n as f64);
        let mut rate = f64::INFINITY;
        for (at, step) in self.steps.iter().enumerate() {
            let lasts = step.lasts.as_secs_f64();
            rate = step.rate.as_per_second();
            let holds = rate * lasts;
            if left < holds || at + 1 == self.steps.len() {
                break;
            }
            begin += lasts;
            left -= holds;
        }
        Duration::try_from_secs_f64(begin + left / rate).unwrap_or(Duration::MAX)
    }
}

/// A text that is no row of steps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepsParseError {
    /// A step has another form.
    #[error("'{0}' is no step: give a rate and a time, as in 100/s:1m,200/s:1m")]
    Form(String),
    /// A step's rate is none.
    #[error("in the step '{text}': {source}")]
    Rate {
        /// As given.
        text: String,
        /// What is wrong.
        source: RateParseError,
    },
    /// A step's time is none.
    #[error("in the step '{text}': {source}")]
    Duration {
        /// As given.
        text: String,
        /// What is wrong.
        source: DurationParseError,
    },
    /// A step that would be over before it began.
    #[error("the step '{0}' takes no time: give a time above zero, or leave the step out")]
    NoTime(String),
}

impl FromStr for Steps {
    type Err = StepsParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let count = text.split(',').count();
        let mut closed = true;
        let mut steps = Vec::with_capacity(count);
        for (at, step) in text.split(',').map(str::trim).enumerate() {
            let (rate, lasts) = match step.split_once(':') {
                Some((rate, lasts)) => (rate, Some(lasts)),
                None if at + 1 == count && count > 1 => (step, None),
                None => return Err(StepsParseError::Form(step.to_owned())),
            };
            let rate = rate.parse().map_err(|source| StepsParseError::Rate { text: step.to_owned(), source })?;
            let lasts = match lasts {
                None => {
                    closed = false;
                    Duration::ZERO
                }
                Some(lasts) => {
                    let lasts: HumanDuration =
                        lasts.parse().map_err(|source| StepsParseError::Duration { text: step.to_owned(), source })?;
                    if lasts.0.is_zero() {
                        return Err(StepsParseError::NoTime(step.to_owned()));
                    }
                    lasts.0
                }
            };
            steps.push(Step { rate, lasts });
        }
        Ok(Self { steps: steps.into(), closed })
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.steps.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{}", step.rate)?;
            if self.closed || at + 1 < self.steps.len() {
                write!(f, ":{}", HumanDuration(step.lasts))?;
            }
        }
        Ok(())
    }
}

serde_as_text!(Steps);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn steps(text: &str) -> Steps {
        text.parse().unwrap()
    }

    #[test]
    fn steps_are_read_and_written() {
        for text in ["100/s:1m,200/s:1m", "6/m:1h", "10/s:1s,20/s:2s,5/s"] {
            assert_eq!(steps(text).to_string(), text);
        }
        let error = |text: &str| text.parse::<Steps>().unwrap_err().to_string();
        assert!(error("").contains("is no step"));
        assert!(error("100/s").contains("is no step"), "one rate is what --rate is for");
        assert!(error("100/s,200/s:1m").contains("'100/s' is no step"));
        assert!(error("100/s:1m,").contains("is no rate"));
        assert!(error("0/s:1m").contains("would send nothing"));
        assert!(error("1/s:soon").contains("is no duration"));
        assert!(error("1/s:1m,2/s:0s,3/s").contains("'2/s:0s' takes no time"));
    }

    #[test]
    fn each_step_holds_its_rate_times_its_time() {
        let three = steps("10/s:2s,100/s:1s,5/s");
        let due = |n| three.due(n).as_secs_f64();
        assert_eq!((due(0), due(19), due(20)), (0.0, 1.9, 2.0));
        assert!((due(119) - 2.99).abs() < 1e-9);
        assert_eq!((due(120), due(125)), (3.0, 4.0));
        assert_eq!(steps("10/s:2s,5/s:1s").due(30), Duration::from_secs(4), "the last one stays");
        assert_eq!(steps("6/m:1m,12/m:1m").due(8), Duration::from_secs(70));
    }

    proptest! {
        #[test]
        fn due_times_never_go_back_and_each_step_has_its_share(
            row in prop::collection::vec((1u32..5_000, 1u64..100), 1..6), n in 0u64..1 << 22,
        ) {
            let text: Vec<_> = row.iter().map(|(rate, secs)| format!("{rate}/s:{secs}s")).collect();
            let steps = steps(&text.join(","));
            prop_assert!(steps.due(n) <= steps.due(n + 1));
            // All that belong into the steps before one are due before it begins, and the next one when it does.
            let (mut count, mut begin) = (0, 0);
            for (rate, secs) in &row {
                prop_assert!((steps.due(count).as_secs_f64() - begin as f64).abs() < 1e-6);
                if count > 0 {
                    prop_assert!(steps.due(count - 1).as_secs_f64() < begin as f64);
                }
                count += u64::from(*rate) * secs;
                begin += secs;
            }
        }
    }
}
