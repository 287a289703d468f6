//! One line of the table: a rate, and who keeps to it.

use std::fmt;
use std::time::Duration;

use anyhow::Context;
use umbra_common::rate::Rate;

use super::grid::Run;
use crate::median::median;
use crate::timing::Timing;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// Requests that are due in a second.
    pub(super) rate: u32,
    /// Who sends them.
    pub(super) sender: Sender,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// The control.
    Bare,
    /// The peer, at the rate of its file.
    GoReplay,
    /// The replayer, out of one kind of store.
    Replayer { pace: Pace, from: &'static str },
}

/// How the replayer comes to its rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    Recorded,
    Twice,
    Constant,
}

impl Pace {
    pub(super) const ALL: [Self; 3] = [Self::Recorded, Self::Twice, Self::Constant];

    /// The rate that comes of traffic recorded at `recorded`.
    pub(super) fn of(self, recorded: u32) -> u32 {
        match self {
            Self::Recorded | Self::Constant => recorded,
            Self::Twice => 2 * recorded,
        }
    }

    /// The replayer's arguments for it.
    pub(super) fn arguments(self, recorded: u32) -> [String; 2] {
        match self {
            Self::Recorded => ["--speed".into(), "1x".into()],
            Self::Twice => ["--speed".into(), "2x".into()],
            Self::Constant => ["--rate".into(), format!("{recorded}/s")],
        }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recorded => "as recorded",
            Self::Twice => "twice as recorded",
            Self::Constant => "constant",
        })
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sender {
            Sender::Bare => write!(f, "{}/s, a bare sender", self.rate),
            Sender::GoReplay => write!(f, "{}/s, GoReplay", self.rate),
            Sender::Replayer { pace, from } => write!(f, "{}/s, {pace}, {from}", self.rate),
        }
    }
}

/// What one round of a cell gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Round {
    pub(super) timing: Timing,
    pub(super) sent: u64,
    pub(super) received: u64,
    /// For each request.
    pub(super) cpu: Duration,
}

impl Round {
    pub(super) fn of(run: &Run, sent: u32, rate: u32) -> anyhow::Result<Self> {
        let rate = Rate::per_second(rate).context("a rate of zero")?;
        let timing = Timing::of(&run.received, rate).context("fewer than two requests arrived")?;
        Ok(Self { timing, sent: sent.into(), received: run.received.len() as u64, cpu: run.cpu_per_request() })
    }
}

/// A cell's rounds as one figure each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Figures {
    pub(super) cell: Cell,
    /// Medians, and the largest maximum.
    pub(super) timing: Timing,
    /// The sum.
    pub(super) sent: u64,
    /// The sum.
    pub(super) received: u64,
    /// The median.
    pub(super) cpu: Duration,
}

impl Figures {
    /// Nothing where there were no rounds.
    pub(super) fn of(cell: Cell, rounds: &[Round]) -> Option<Self> {
        let timings: Vec<Timing> = rounds.iter().map(|round| round.timing).collect();
        Some(Self {
            cell,
            timing: Timing::over(&timings)?,
            sent: rounds.iter().map(|round| round.sent).sum(),
            received: rounds.iter().map(|round| round.received).sum(),
            cpu: Duration::from_secs_f64(median(rounds.iter().map(|round| round.cpu.as_secs_f64()))?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receiver::Arrival;

    #[test]
    fn times_are_medians_and_counts_are_sums() {
        let cell = Cell { rate: 1000, sender: Sender::Bare };
        let round = |lost: u32, cpu_ms: u64| {
            let arrival = |number| Arrival { number, at: Duration::from_millis(number.into()) };
            let run = Run { received: (lost..100).map(arrival).collect(), cpu: Duration::from_millis(cpu_ms) };
            Round::of(&run, 100, 1000).unwrap()
        };
        let all = Figures::of(cell, &[round(0, 3), round(0, 500), round(0, 1)]).unwrap();
        assert_eq!((all.sent, all.received, all.cpu), (300, 300, Duration::from_micros(30)));
        assert_eq!(Figures::of(cell, &[round(0, 1), round(7, 1)]).unwrap().received, 193);
        assert_eq!(Figures::of(cell, &[]), None);
    }

    #[test]
    fn a_pace_says_what_rate_it_comes_to() {
        assert_eq!(Pace::ALL.map(|pace| pace.of(5000)), [5000, 10_000, 5000]);
        let sender = Sender::Replayer { pace: Pace::Twice, from: "Kafka" };
        let cell = Cell { rate: Pace::Twice.of(5000), sender };
        assert_eq!(cell.to_string(), "10000/s, twice as recorded, Kafka");
    }
}
