//! `follow`: the live tail to every target, each as a consumer group of its own.

use std::sync::Arc;
use std::time::Instant;

use umbra_common::courtesy::courteously;
use umbra_common::store::Store;
use umbra_common::time::{HumanDuration, Timestamp};

use super::finish::Ended;
use super::reproduce::reproduce;
use crate::admin::{Admin, Commands, Mode};
use crate::command::FollowConfig;
use crate::error::RunError;
use crate::lane::{Lane, Purpose, TailFeed, conduct};
use crate::report::{Extent, Progress, Report};
use crate::schedule::{Control, Pacer, RateShare, Strain, Throttle};
use crate::stop::Stop;
use crate::target::{Guard, Preparer};

/// The consumer group of a target, and so where it goes on after a restart.
const GROUP_PREFIX: &str = "umbra-";

/// Sends the live tail until `stop`. Why it ended otherwise is said in [`Report::error`]; an error is returned only
/// where nothing could begin.
#[expect(clippy::needless_pass_by_value, reason = "the configuration and the handle are given away with the run")]
pub fn follow(config: FollowConfig, stop: Stop) -> Result<Report, RunError> {
    run(&config, &stop).map(|ended| ended.report)
}

pub(super) fn run(config: &FollowConfig, stop: &Stop) -> Result<Ended, RunError> {
    let control = Arc::new(Control::default());
    let commands = Commands { control: control.clone(), stop: stop.clone(), mode: Mode::Follow };
    let admin = Admin::start(config.reporting.admin.as_ref(), commands)?;
    let store = Store::open(&config.store)?;
    let inner = Stop::new();
    let (start, began) = (Instant::now(), Timestamp::now());
    let mut lanes = Vec::new();
    for target in &config.sending.targets {
        let share = RateShare::none();
        let preparer = Preparer::new(target.clone(), config.sending.clone());
        let tally = preparer.tally().clone();
        let feed = TailFeed {
            guard: Guard::new(target.clone(), &config.sending.reach.pinned, config.sending.allow_production_target)?,
            follow: courteously(|| store.follow(&format!("{GROUP_PREFIX}{}", target.name), config.from))
                .map_err(|_| RunError::Panicked("feed"))??,
            delay: config.delay,
            max_lag: config.max_lag,
            filter: config.filter.clone(),
            portion: config.sending.portion(target),
            share: share.clone(),
            preparer,
        };
        let pacer = |strain: &Arc<Strain>| {
            let goals = config.goals.clone();
            let throttle = goals.map(|goals| Throttle::new(target.name.clone(), goals, strain.clone()));
            Pacer::for_tail(config.rate, share, control.clone()).with(throttle)
        };
        let lane = |work| feed.run(work);
        lanes.push(Lane::start(target.clone(), &config.sending, pacer, Purpose::Tail, tally, &inner, lane)?);
    }
    admin.watch(&lanes);
    tracing::info!(targets = lanes.len(), "following");
    let extents = lanes.iter().map(|_| Extent::Endless).collect();
    let mut progress = Progress::start(extents, None, control);
    let conducted = conduct(lanes, stop, &inner, &mut |lanes| progress.show(lanes));
    progress.clear();
    let mut report = Report {
        window: None,
        pace: pace(config),
        started: began.to_string(),
        seconds: start.elapsed().as_secs_f64(),
        interrupted: stop.is_stopped(),
        error: conducted.error.as_ref().map(ToString::to_string),
        crossed: Vec::new(),
        job: None,
        targets: conducted.targets,
    };
    if !config.reporting.files.is_empty() {
        reproduce(&mut report, &store, &config.sending);
    }
    Ok(Ended { report, error: conducted.error, has_end: false })
}

/// The pace in words.
fn pace(config: &FollowConfig) -> String {
    let mut said = match config.delay {
        None => "as it comes".to_owned(),
        Some(delay) => format!("{} behind", HumanDuration(delay)),
    };
    if let Some(rate) = config.rate {
        said += &format!(", at most {rate} over all replicas");
    }
    if let Some(goals) = &config.goals {
        said += &format!(", while {goals}");
    }
    said
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
