//! The flags that set the pace.

use clap::Args;
use serde::{Deserialize, Serialize};
use umbra_common::rate::Rate;
use umbra_common::time::HumanDuration;

use super::ConfigError;
use crate::command::Pacing;
use crate::schedule::{Behind, Goals, Pace, Ramp, RateOrMax, Speed, Steps};

/// How fast a window is sent.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct PaceFlags {
    /// As recorded, so many times as fast, from 0.01x to 1000x [default: 1x].
    #[arg(long, env = "UMBRA_SPEED", value_name = "Nx")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<Speed>,
    /// Evenly, at this rate (50/s, 6/m), or as fast as it goes (max).
    #[arg(long, env = "UMBRA_RATE", value_name = "RATE|max")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<RateOrMax>,
    /// Evenly, from one rate to another over a time: 10/s..500/s:5m.
    #[arg(long, env = "UMBRA_RAMP", value_name = "A..B:TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ramp: Option<Ramp>,
    /// Evenly, at rates that follow each other, each for its time: 100/s:1m,200/s:1m; the last one stays.
    #[arg(long, env = "UMBRA_STEPS", value_name = "RATE:TIME,…")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<Steps>,
    /// Shorten gaps of the recording that are longer than this to this.
    #[arg(long, env = "UMBRA_SKIP_GAPS", value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_gaps: Option<HumanDuration>,
    /// The most to each target in any second, whatever the pace; what comes too fast leaves late [default: no cap].
    #[arg(long, env = "UMBRA_MAX_RATE", value_name = "RATE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rate: Option<Rate>,
    /// What becomes of what is behind schedule: keep (send it late), drop (skip what is later than 1s) or drop:DURATION
    /// [default: keep].
    #[arg(long, env = "UMBRA_BEHIND", value_name = "keep|drop[:DURATION]")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind: Option<Behind>,
}

/// How fast the live tail is sent.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct FollowPaceFlags {
    /// The most requests per second, minute or hour to each target, over all replicas [default: no cap].
    #[arg(long, env = "UMBRA_RATE", value_name = "RATE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Send each exchange this long after it arrived, with the distances it was recorded with [default: as it comes].
    #[arg(long, env = "UMBRA_DELAY", value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<HumanDuration>,
    /// Skip exchanges that arrived longer ago than this [default: no limit].
    #[arg(long, env = "UMBRA_MAX_LAG", value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_lag: Option<HumanDuration>,
}

/// What keeps a target from being sent more than it takes.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct GoalFlags {
    /// The most requests in flight to each target, over whatever protocol [default: as many as --connections].
    #[arg(long, env = "UMBRA_MAX_IN_FLIGHT", value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u32>,
    /// Send less while the target breaks one of these, and more again when it keeps them: p99<300ms,errors<2%.
    #[arg(long, env = "UMBRA_PACE_WITH", value_name = "GOAL,…")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pace_with: Option<Goals>,
}

impl PaceFlags {
    /// Checked against each other.
    pub(super) fn resolve(self, goals: Option<Goals>) -> Result<Pacing, ConfigError> {
        let given = [
            ("--speed", self.speed.is_some()),
            ("--rate", self.rate.is_some()),
            ("--ramp", self.ramp.is_some()),
            ("--steps", self.steps.is_some()),
        ];
        let mut given = given.iter().filter(|(_, given)| *given).map(|(name, _)| *name);
        let first = given.next();
        if let (Some(one), Some(other)) = (first, given.next()) {
            return Err(ConfigError::TwoPaces(one, other));
        }
        let pace = match (self.speed, self.rate, self.ramp, self.steps) {
            (Some(speed), ..) => Pace::Recorded(speed),
            (_, Some(RateOrMax::Rate(rate)), ..) => Pace::Constant(rate),
            (_, Some(RateOrMax::Max), ..) => Pace::Max,
            (_, _, Some(ramp), _) => Pace::Ramp(ramp),
            (.., Some(steps)) => Pace::Steps(steps),
            (None, None, None, None) => Pace::default(),
        };
        let longest_gap = self.skip_gaps.map(|gap| gap.0);
        if longest_gap.is_some_and(|gap| gap.is_zero()) {
            return Err(ConfigError::Zero("--skip-gaps"));
        }
        if let (Some(_), Some(even)) = (longest_gap, first.filter(|_| !matches!(pace, Pace::Recorded(_)))) {
            return Err(ConfigError::Contradiction("--skip-gaps", even, "an even pace has no gaps of the recording"));
        }
        let behind = self.behind.unwrap_or_default();
        if behind != Behind::Keep && pace == Pace::Max {
            let why = "without a schedule nothing is behind";
            return Err(ConfigError::Contradiction("--behind", "--rate max", why));
        }
        Ok(Pacing { pace, longest_gap, max_rate: self.max_rate, behind, goals })
    }
}

impl FollowPaceFlags {
    /// Checks the flags against each other.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match (self.delay, self.max_lag) {
            (Some(delay), Some(max_lag)) if max_lag <= delay => {
                let why = "everything would be too old before it may leave; give a --max-lag above --delay";
                Err(ConfigError::Contradiction("--delay", "--max-lag", why))
            }
            _ => Ok(()),
        }
    }
}

impl GoalFlags {
    /// The most requests in flight, where that was given.
    pub(super) fn in_flight(&self) -> Result<Option<usize>, ConfigError> {
        match self.max_in_flight {
            Some(0) => Err(ConfigError::Zero("--max-in-flight")),
            given => Ok(given.map(|n| usize::try_from(n).unwrap_or(usize::MAX))),
        }
    }
}
