//! `replay`: a window to every target, each in its own lane, all on one clock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use umbra_common::courtesy::courteously;
use umbra_common::store::Store;
use umbra_common::time::Timestamp;

use super::finish::Ended;
use super::reproduce::reproduce;
use super::window::{WindowRun, plan_whole};
use crate::admin::{Admin, Commands, Mode};
use crate::command::{Pacing, ReplayConfig};
use crate::error::RunError;
use crate::job;
use crate::lane::{Lane, Purpose, conduct};
use crate::report::{Extent, JobReport, Progress, Report};
use crate::schedule::{Control, Pacer, Repeat, Shard, StartLine, Strain, Throttle};
use crate::stop::Stop;

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
    let store = Arc::new(Store::open(&config.store)?);
    let shard = config.shard.unwrap_or(Shard::WHOLE);
    let make = || plan_whole(&store, config);
    let opened = match &config.job {
        None => None,
        Some(job) => job::open(&store, job, shard, &config.sending.targets, make)?,
    };
    let job = config.job.as_ref().map(|job| JobReport {
        name: job.name.to_string(),
        delivery: job.delivery.to_string(),
        resumed: opened.as_ref().is_some_and(|opened| opened.resumed),
        done_before: opened.iter().flat_map(|opened| opened.done(&config.sending.targets)).collect(),
    });
    let (plan, held) = match opened {
        Some(opened) => (opened.plan, opened.lanes.into_iter().map(|held| held.map(Some)).collect()),
        None => (make()?, config.sending.targets.iter().map(|_| Some(None)).collect::<Vec<_>>()),
    };
    let all = config.sending.targets.iter().zip(held);
    let parts: Vec<_> = all.filter_map(|(target, held)| Some((target.clone(), held?))).collect();
    let inner = Stop::new();
    let line = Arc::new(StartLine::new(parts.len(), config.start_at));
    let window = WindowRun { config, store, plan, line, control, stop };
    let feeds = parts.into_iter().map(|(target, held)| {
        let feed = courteously(|| window.feed(&target, held)).map_err(|_| RunError::Panicked("feed"))??;
        Ok::<_, RunError>((target, feed))
    });
    let (mut lanes, mut extents) = (Vec::new(), Vec::new());
    // All of them first: nothing is sent where one of them cannot begin.
    for (target, feed) in feeds.collect::<Result<Vec<_>, _>>()? {
        let from = feed.index();
        extents.push(extent(config, window.plan.at_most(), from, feed.spent()));
        let pacer = |strain: &Arc<Strain>| {
            let Pacing { pace, max_rate, behind, goals, .. } = config.pacing.clone();
            let throttle = goals.map(|goals| Throttle::new(target.name.clone(), goals, strain.clone()));
            let pacer = Pacer::for_window(pace, window.line.clone(), window.control.clone());
            pacer.from(from).capped(max_rate).behind(behind).with(throttle)
        };
        let tally = feed.preparer.tally().clone();
        let name = target.clone();
        let lane = |work| feed.run(work);
        lanes.push(Lane::start(name, &config.sending, pacer, Purpose::Window, tally, &inner, lane)?);
    }
    let WindowRun { plan, line, control, .. } = window;
    admin.watch(&lanes);
    let mut progress = Progress::start(extents, Some(line.clone()), control);
    let conducted = conduct(lanes, stop, &inner, &mut |lanes| progress.show(lanes));
    progress.clear();
    let gone = conducted.targets.iter().filter_map(|target| target.gone).max().unwrap_or(0);
    let is_short = gone > 0 && !config.allow_partial && !conducted.interrupted;
    let error = conducted.error.or(is_short.then_some(RunError::Gone(gone)));
    let started = line.start();
    let seconds = started.map_or(0.0, |start| start.elapsed().as_secs_f64());
    let began = started.map(|start| Timestamp::now().before(Instant::now().saturating_duration_since(start)));
    let mut report = Report {
        window: Some(plan.window.into()),
        pace: config.pacing.to_string(),
        started: began.map(|at| at.to_string()).unwrap_or_default(),
        seconds,
        interrupted: conducted.interrupted,
        error: error.as_ref().map(ToString::to_string),
        crossed: Vec::new(),
        job,
        targets: conducted.targets,
    };
    if !config.reporting.files.is_empty() {
        reproduce(&mut report, &window.store, &config.sending);
    }
    Ok(Ended { report, error, has_end: true })
}

/// How far a lane goes whose part of a plan begins at a place, after a job has been running for some time.
fn extent(config: &ReplayConfig, at_most: u64, from: u64, spent: Duration) -> Extent {
    match config.repeat {
        Repeat::For(limit) => Extent::Time(limit.saturating_sub(spent)),
        Repeat::Times(rounds) => {
            let most = at_most.saturating_mul(rounds.into()).saturating_sub(from);
            Extent::Records { most, from, pace: config.pacing.pace.clone() }
        }
    }
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
