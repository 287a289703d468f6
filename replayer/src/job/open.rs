//! Beginning a job, or going on with it.

use std::thread;

use umbra_common::store::{Keep, Mark, Plan, Store, StoreError};
use umbra_common::time::Timestamp;

use super::definition::Definition;
use super::{JobConfig, JobError, JobName, Saved};
use crate::error::RunError;
use crate::schedule::Shard;
use crate::target::Target;

/// A job that this process works on from here on.
pub(crate) struct Opened {
    /// What is sent.
    pub(crate) plan: Plan,
    /// Whether a run before this one has left something of it.
    pub(crate) resumed: bool,
    /// One for each target, in order; nothing for one that has everything.
    pub(crate) lanes: Vec<Option<Held>>,
}

impl Opened {
    /// The targets to which everything has been sent.
    pub(crate) fn done(&self, targets: &[Target]) -> Vec<String> {
        let done = targets.iter().zip(&self.lanes).filter(|(_, lane)| lane.is_none());
        done.map(|(target, _)| target.name.to_string()).collect()
    }
}

/// One target's part of a job, held by this process.
pub(crate) struct Held {
    /// Keeps how far it is.
    pub(crate) keep: Box<dyn Keep>,
    /// What a run before this one has kept.
    pub(crate) saved: Option<Saved>,
}

/// Begins the job, or goes on with it. `make` plans the window, where the job has no plan yet; without anything to read
/// there is no job.
pub(crate) fn open(
    store: &Store,
    config: &JobConfig,
    shard: Shard,
    targets: &[Target],
    make: impl FnOnce() -> Result<Plan, RunError>,
) -> Result<Option<Opened>, RunError> {
    let name = &config.name;
    let found = read_definition(store, name)?;
    if found.is_some() && !config.resume {
        // Another shard may have begun it a moment ago; what this shard has sent is what counts.
        for target in targets {
            if !store.marks(&name.lane(shard, &target.name)).map_err(JobError::from)?.is_empty() {
                return Err(JobError::Exists(name.clone()).into());
            }
        }
    }
    let definition = match found {
        Some(definition) => definition,
        None => {
            let plan = make()?;
            if plan.partitions.is_empty() {
                return Ok(None);
            }
            begin(store, config, plan)?
        }
    };
    let differences = definition.differs(&config.settings);
    if !differences.is_empty() {
        return Err(JobError::Differs { name: name.clone(), differences }.into());
    }
    let lanes = hold(store, name, shard, targets)?;
    if !config.resume && lanes.iter().any(|lane| lane.saved.is_some()) {
        return Err(JobError::Exists(name.clone()).into());
    }
    let resumed = lanes.iter().any(|lane| lane.saved.is_some());
    if config.resume && !resumed {
        tracing::info!(job = %name, %shard, "nothing has been sent for this job yet: it begins");
    }
    let unfinished = |lane: Held| (!lane.saved.as_ref().is_some_and(Saved::is_done)).then_some(lane);
    Ok(Some(Opened { plan: definition.plan, resumed, lanes: lanes.into_iter().map(unfinished).collect() }))
}

pub(super) fn read_definition(store: &Store, name: &JobName) -> Result<Option<Definition>, JobError> {
    Definition::from_marks(name, &store.marks(&name.definition())?)
}

/// Writes what the job is, unless another process of it has done so meanwhile.
fn begin(store: &Store, config: &JobConfig, plan: Plan) -> Result<Definition, JobError> {
    let name = &config.name;
    let definition = Definition { plan, created: Timestamp::now(), settings: config.settings.clone() };
    let marks = definition.to_marks();
    if let Some(bytes) = marks.iter().map(|mark| mark.note.len()).find(|bytes| *bytes > Mark::LONGEST_NOTE) {
        return Err(JobError::TooLong { name: name.clone(), bytes });
    }
    let mut keep = match store.keep(&name.definition()) {
        Ok(keep) => keep,
        // Who holds it is writing it.
        Err(StoreError::Held { .. }) => {
            let theirs = read_definition(store, name)?;
            return theirs.ok_or_else(|| JobError::Busy(name.clone()));
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(theirs) = read_definition(store, name)? {
        return Ok(theirs);
    }
    if keep.keep(&marks, KEPT_WITHIN)? {
        Ok(definition)
    } else {
        let why = format!("the store has not confirmed it within {KEPT_WITHIN:?}");
        Err(StoreError::NotKept { name: name.definition(), why }.into())
    }
}

/// For the store to confirm a definition.
const KEPT_WITHIN: std::time::Duration = std::time::Duration::from_secs(20);

/// Takes the names of all targets at once: a group may need seconds to take its member in.
fn hold(store: &Store, name: &JobName, shard: Shard, targets: &[Target]) -> Result<Vec<Held>, JobError> {
    let take = |target: &Target| {
        let lane = name.lane(shard, &target.name);
        let keep = store.keep(&lane).map_err(|error| match error {
            StoreError::Held { .. } => {
                JobError::InUse { name: name.clone(), target: target.name.to_string(), shard: shard.to_string() }
            }
            error => error.into(),
        })?;
        let saved =
            Saved::from_marks(&store.marks(&lane)?).map_err(|why| JobError::Note { name: name.clone(), why })?;
        Ok(Held { keep, saved })
    };
    thread::scope(|scope| {
        let taken: Vec<_> = targets.iter().map(|target| scope.spawn(move || take(target))).collect();
        let panicked =
            || JobError::Unreadable { name: name.clone(), why: "a thread panicked; please report it".into() };
        taken.into_iter().map(|one| one.join().unwrap_or_else(|_| Err(panicked()))).collect()
    })
}
