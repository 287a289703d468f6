//! One line of progress.

use std::fmt;
use std::time::Duration;

use umbra_common::time::HumanDuration;

use super::forecast::Left;

/// How one target's lane is doing. What matters most stands first, so that a narrow terminal cuts what matters least.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) target: String,
    /// For how long its breaker has been open, where it is.
    pub(super) broken: Option<Duration>,
    /// Of the run, from 0 to 1, where that is known.
    pub(super) part: Option<f64>,
    pub(super) left: Left,
    /// Requests per second, of late.
    pub(super) rate: f64,
    pub(super) lag: Duration,
    pub(super) errors: u64,
    pub(super) in_flight: u64,
}

impl Line {
    /// As much of it as a line of the terminal holds: a line that wraps could not be taken away again.
    pub(super) fn fit(&self, width: usize) -> String {
        let text = self.to_string();
        // The last column stays free: some terminals wrap as soon as it is written.
        let most = width.saturating_sub(1);
        if text.chars().count() <= most {
            return text;
        }
        text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, broken, part, left, rate, lag, errors, in_flight } = self;
        write!(f, "{target}:")?;
        if let Some(broken) = broken {
            write!(f, " breaker open for {},", rounded(*broken))?;
        }
        if let Some(part) = part {
            write!(f, " {:.0} %,", (part * 100.0).floor())?;
        }
        let lag = lag.as_secs_f64() * 1e3;
        let s = if *errors == 1 { "" } else { "s" };
        write!(f, " {left} | {rate:.1}/s | lag {lag:.1} ms | {errors} error{s} | {in_flight} in flight")
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("time left not known yet"),
            Self::AtMost(left) => write!(f, "at most {} left", rounded(*left)),
            Self::About(left) => write!(f, "about {} left", rounded(*left)),
            Self::Paused => f.write_str("paused"),
            Self::Behind(behind) => write!(f, "following, {} behind", rounded(*behind)),
        }
    }
}

/// Up to a second, and up to a minute where it is more than an hour: nobody waits by more than that.
fn rounded(time: Duration) -> HumanDuration {
    const HOUR: u64 = 3600;
    let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    let step = if seconds > HOUR { 60 } else { 1 };
    HumanDuration(Duration::from_secs(seconds.div_ceil(step).saturating_mul(step)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line {
            target: "staging".into(),
            broken: None,
            part: Some(0.426),
            left: Left::AtMost(Duration::from_millis(130_200)),
            rate: 998.04,
            lag: Duration::from_micros(210),
            errors: 3,
            in_flight: 12,
        }
    }

    #[test]
    fn a_line_has_rate_lag_errors_requests_in_flight_and_the_time_left() {
        assert_eq!(
            line().to_string(),
            "staging: 42 %, at most 2m11s left | 998.0/s | lag 0.2 ms | 3 errors | 12 in flight"
        );
        let follow = Line { part: None, left: Left::Behind(Duration::ZERO), errors: 1, ..line() };
        assert_eq!(follow.to_string(), "staging: following, 0s behind | 998.0/s | lag 0.2 ms | 1 error | 12 in flight");
        let broken = Line { broken: Some(Duration::from_millis(11_300)), ..line() };
        assert!(
            broken.to_string().starts_with("staging: breaker open for 12s, 42 %, at most 2m11s left | "),
            "{broken}"
        );
        let said = |left| left_of(&Line { left, ..line() });
        assert_eq!(said(Left::Unknown), "time left not known yet");
        assert_eq!(said(Left::Paused), "paused");
        assert_eq!(said(Left::About(Duration::from_secs(7201))), "about 2h1m left");
    }

    fn left_of(line: &Line) -> String {
        line.to_string().split(" | ").next().unwrap().trim_start_matches("staging: 42 %, ").to_owned()
    }

    #[test]
    fn a_line_never_wraps() {
        for width in [1, 20, 60, 80, 200] {
            let text = line().fit(width);
            assert!(text.chars().count() < width.max(2), "{width}: {text}");
        }
        assert!(line().fit(60).starts_with("staging: 42 %, at most 2m11s left | 998.0/s | lag"));
        assert!(!line().fit(200).contains('…'));
    }
}
