//! `job list`, `show` and `delete`: the jobs that a store keeps.

use std::collections::BTreeMap;
use std::io::{self, Write};

use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use serde::Serialize;
use umbra_common::store::{Store, StoreConfig, StoreError};
use umbra_common::time::Timestamp;

use super::definition::Definition;
use super::name::Owner;
use super::open::read_definition;
use super::{JobError, JobName, Saved};
use crate::error::{ExitStatus, RunError};
use crate::traffic::Output;

/// A look at the jobs of a store.
#[derive(Clone, Debug)]
pub struct JobsConfig {
    /// Where they are.
    pub store: StoreConfig,
    /// How they are printed: as a table or as JSON.
    pub output: Output,
    /// Which of them.
    pub look: JobLook,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobLook {
    /// Print all.
    List,
    /// Print one, with its settings.
    Show(JobName),
    /// Forget one.
    Delete(JobName),
}

/// A job as it is printed.
#[derive(Debug, Serialize)]
struct Shown {
    name: String,
    /// `running`, `interrupted` or `done`.
    state: &'static str,
    window: WindowShown,
    created: String,
    /// When a process last said something of it.
    updated: Option<String>,
    /// From 0 to 1, of the slowest lane, by recorded time or by count: whichever is further.
    progress: f64,
    sent: u64,
    in_doubt: usize,
    lanes: Vec<LaneShown>,
    settings: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct WindowShown {
    from: String,
    to: String,
}

/// One target in one shard.
#[derive(Debug, Serialize)]
struct LaneShown {
    target: String,
    shard: String,
    state: &'static str,
    /// Which time round, from 1.
    round: u32,
    /// The arrival of the first exchange that is open.
    position: Option<String>,
    progress: f64,
    sent: u64,
    in_doubt: usize,
    updated: Option<String>,
}

/// Does it, and prints to `out`.
pub(crate) fn print(config: &JobsConfig, out: &mut dyn Write) -> Result<ExitStatus, RunError> {
    let store = Store::open(&config.store)?;
    match &config.look {
        JobLook::List => {
            let jobs = all(&store)?;
            match config.output {
                Output::Json => jobs.iter().try_for_each(|job| json(job, out))?,
                _ => table(&jobs, out)?,
            }
        }
        JobLook::Show(name) => {
            let job = all(&store)?.into_iter().find(|job| job.name == name.to_string());
            let job = job.ok_or_else(|| JobError::Missing(name.clone()))?;
            match config.output {
                Output::Json => json(&job, out)?,
                _ => whole(&job, out)?,
            }
        }
        JobLook::Delete(name) => delete(&store, name)?,
    }
    Ok(ExitStatus::Done)
}

fn all(store: &Store) -> Result<Vec<Shown>, JobError> {
    let mut lanes: BTreeMap<JobName, Vec<(Owner, String, bool)>> = BTreeMap::new();
    for kept in store.kept(JobName::prefix())? {
        if let Some((job, owner)) = JobName::parse(&kept.name) {
            lanes.entry(job).or_default().push((owner, kept.name, kept.held));
        }
    }
    let mut jobs = Vec::new();
    for (name, owners) in lanes {
        // Another topic of the same cluster may have a job of this name.
        let Some(definition) = read_definition(store, &name)? else { continue };
        let mut shown = Vec::new();
        for (owner, checkpoint, held) in owners {
            let Owner::Lane { shard, target } = owner else { continue };
            let saved = Saved::from_marks(&store.marks(&checkpoint)?);
            let saved = saved.map_err(|why| JobError::Note { name: name.clone(), why })?;
            if let Some(saved) = saved {
                shown.push(lane(&definition, target, shard.to_string(), held, &saved));
            }
        }
        jobs.push(job(&name, definition, shown));
    }
    Ok(jobs)
}

fn lane(definition: &Definition, target: String, shard: String, held: bool, saved: &Saved) -> LaneShown {
    let window = definition.plan.window;
    let (round, position) = saved.low().map_or((0, None), |(round, at)| (round, Some(at)));
    let begun = saved.first().unwrap_or(window.from());
    let whole = window.to().since(begun).as_secs_f64();
    let by_time = position.map_or(0.0, |at| at.since(begun).as_secs_f64()) / whole.max(f64::MIN_POSITIVE);
    // A window may end long after its traffic does, and hold much that is not meant.
    let by_count = saved.index() as f64 / definition.plan.at_most().max(1) as f64;
    LaneShown {
        target,
        shard,
        state: match (saved.is_done(), held) {
            (true, _) => "done",
            (false, true) => "running",
            (false, false) => "interrupted",
        },
        round: round + 1,
        position: position.map(|at| at.to_string()),
        progress: if saved.is_done() { 1.0 } else { by_time.max(by_count).clamp(0.0, 1.0) },
        sent: saved.sent(),
        in_doubt: saved.in_doubt(),
        updated: Some(saved.updated()).filter(|at| *at > Timestamp::ZERO).map(|at| at.to_string()),
    }
}

fn job(name: &JobName, definition: Definition, lanes: Vec<LaneShown>) -> Shown {
    let window = definition.plan.window;
    let shards = definition.settings.get("shards").and_then(|n| n.parse().ok()).unwrap_or(1);
    let targets = definition.targets().split(',').count();
    let state = if lanes.iter().any(|lane| lane.state == "running") {
        "running"
    } else if lanes.len() >= shards * targets && lanes.iter().all(|lane| lane.state == "done") {
        "done"
    } else {
        "interrupted"
    };
    let slowest = lanes.iter().map(|lane| lane.progress).fold(1.0, f64::min);
    Shown {
        name: name.to_string(),
        state,
        window: WindowShown { from: window.from().to_string(), to: window.to().to_string() },
        created: definition.created.to_string(),
        updated: lanes.iter().filter_map(|lane| lane.updated.clone()).max(),
        // A shard that has not begun yet has nothing.
        progress: if lanes.len() < shards * targets { 0.0 } else { slowest },
        sent: lanes.iter().map(|lane| lane.sent).sum(),
        in_doubt: lanes.iter().map(|lane| lane.in_doubt).sum(),
        lanes,
        settings: definition.settings,
    }
}

fn delete(store: &Store, name: &JobName) -> Result<(), JobError> {
    let mut found = false;
    let own: Vec<_> = (store.kept(JobName::prefix())?.into_iter())
        .filter(|kept| JobName::parse(&kept.name).is_some_and(|(job, _)| job == *name))
        .collect();
    if own.iter().any(|kept| kept.held) {
        return Err(JobError::Busy(name.clone()));
    }
    // What the job is goes last: half a deletion can be repeated.
    for kept in own.iter().rev() {
        found = true;
        store.forget(&kept.name).map_err(|error| match error {
            StoreError::Held { .. } => JobError::Busy(name.clone()),
            error => error.into(),
        })?;
    }
    if found { Ok(()) } else { Err(JobError::Missing(name.clone())) }
}

fn json(job: &Shown, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, job)?;
    writeln!(out)
}

fn table(jobs: &[Shown], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header(["job", "state", "progress", "sent", "in doubt", "window", "updated"]);
    for job in jobs {
        table.add_row([
            job.name.clone(),
            job.state.to_owned(),
            percent(job.progress),
            job.sent.to_string(),
            job.in_doubt.to_string(),
            format!("{} to {}", job.window.from, job.window.to),
            job.updated.clone().unwrap_or_default(),
        ]);
    }
    writeln!(out, "{table}")
}

fn whole(job: &Shown, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{}: {}, {} of [{}, {})",
        job.name,
        job.state,
        percent(job.progress),
        job.window.from,
        job.window.to
    )?;
    writeln!(out, "begun {}, last heard of {}", job.created, job.updated.as_deref().unwrap_or("never"))?;
    for lane in &job.lanes {
        let position = lane.position.as_deref().unwrap_or("the beginning");
        write!(out, "{} shard {}: {}, {}, at {position}", lane.target, lane.shard, lane.state, percent(lane.progress))?;
        writeln!(out, ", round {}, {} sent, {} in doubt", lane.round, lane.sent, lane.in_doubt)?;
    }
    job.settings.iter().try_for_each(|(flag, value)| writeln!(out, "--{flag} {value}"))
}

fn percent(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}
