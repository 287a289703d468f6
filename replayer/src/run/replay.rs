//! `replay`: a window to every target, each in its own lane, all on one clock.

use std::sync::Arc;
use std::time::Instant;

use umbra_common::store::Store;
use umbra_common::time::Timestamp;

use super::finish::Ended;
use crate::admin::{Admin, Commands, Mode};
use crate::command::{Pacing, ReplayConfig};
use crate::error::RunError;
use crate::lane::{Lane, Purpose, WindowFeed, conduct};
use crate::merge::Ordered;
use crate::report::{Progress, Report};
use crate::schedule::{Control, Pacer, StartLine, Strain, Throttle};
use crate::stop::Stop;
use crate::target::{Guard, Preparer};

/// Sends a window to its end, or until `stop`. What could not be finished is said in [`Report::error`]; an error is
/// returned only where nothing could begin.
#[expect(clippy::needless_pass_by_value, reason = "the configuration and the handle are given away with the run")]
pub fn replay(config: ReplayConfig, stop: Stop) -> Result<Report, RunError> {
    run(&config, &stop).map(|ended| ended.report)
}

pub(super) fn run(config: &ReplayConfig, stop: &Stop) -> Result<Ended, RunError> {
    let control = Arc::new(Control::default());
    let commands = Commands { control: control.clone(), stop: stop.clone(), mode: Mode::Replay };
    let admin = Admin::start(config.reporting.admin.as_ref(), commands)?;
    let store = Store::open(&config.store)?;
    let plan = store.plan(config.window)?;
    let inner = Stop::new();
    let line = Arc::new(StartLine::new(config.sending.targets.len(), config.start_at));
    let mut lanes = Vec::new();
    for target in &config.sending.targets {
        let preparer = Preparer::new(target.clone(), config.sending.clone());
        let tally = preparer.tally().clone();
        let feed = WindowFeed {
            guard: Guard::new(target.clone(), config.sending.allow_production_target)?,
            records: Ordered::open(&store, &plan)?,
            window: config.window,
            filter: config.filter.clone(),
            shard: config.shard,
            longest_gap: config.pacing.longest_gap,
            preparer,
        };
        let pacer = |strain: &Arc<Strain>| {
            let Pacing { pace, max_rate, behind, goals, .. } = config.pacing.clone();
            let throttle = goals.map(|goals| Throttle::new(target.name.clone(), goals, strain.clone()));
            let pacer = Pacer::for_window(pace, line.clone(), control.clone());
            pacer.capped(max_rate).behind(behind).with(throttle)
        };
        let lane = |work| feed.run(work);
        lanes.push(Lane::start(target.clone(), &config.sending, pacer, Purpose::Window, tally, &inner, lane)?);
    }
    admin.watch(&lanes);
    let mut progress = Progress::start(plan.at_most());
    let conducted = conduct(lanes, stop, &inner, &mut |lanes| progress.show(lanes));
    progress.clear();
    let started = line.start();
    let seconds = started.map_or(0.0, |start| start.elapsed().as_secs_f64());
    let began = started.map(|start| Timestamp::now().before(Instant::now().saturating_duration_since(start)));
    let report = Report {
        window: Some(config.window.into()),
        pace: config.pacing.to_string(),
        started: began.map(|at| at.to_string()).unwrap_or_default(),
        seconds,
        interrupted: conducted.interrupted,
        error: conducted.error.as_ref().map(ToString::to_string),
        crossed: Vec::new(),
        targets: conducted.targets,
    };
    Ok(Ended { report, error: conducted.error, has_end: true })
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
