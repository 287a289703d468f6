//! One target's part of a window: its records, and, where it has a job, what is known and kept of them.

use std::sync::Arc;

use umbra_common::ledger::Ledger;
use umbra_common::store::{Plan, Store};

use crate::command::ReplayConfig;
use crate::error::RunError;
use crate::job::{Delivery, Held, Lengths, MOST_IN_DOUBT, Order, Progress, Saved};
use crate::lane::{Admit, Claims, Expected, History, LaneJob, Rounds, WindowFeed, survey};
use crate::schedule::{Control, StartLine};
use crate::stop::Stop;
use crate::target::{Guard, Portion, Preparer, Target};

/// Plans the window that was asked for, and refuses one of which a part has expired.
pub(super) fn plan_whole(store: &Store, config: &ReplayConfig) -> Result<Plan, RunError> {
    let plan = store.plan(config.window)?;
    if config.allow_partial {
        return Ok(plan);
    }
    match store.expired(&plan)? {
        None => Ok(plan),
        Some(left) => Err(RunError::Expired { window: config.window, left }),
    }
}

/// What all targets of a run have in common.
pub(super) struct WindowRun<'a> {
    pub(super) config: &'a ReplayConfig,
    pub(super) store: Arc<Store>,
    pub(super) plan: Plan,
    pub(super) line: Arc<StartLine>,
    pub(super) control: Arc<Control>,
    pub(super) stop: &'a Stop,
}

impl WindowRun<'_> {
    /// What one target's lane is fed from; `held` is its part of a job.
    pub(super) fn feed(&self, target: &Target, held: Option<Held>) -> Result<WindowFeed, RunError> {
        let Self { config, store, plan, line, .. } = self;
        let portion = config.sending.portion(target);
        let saved = held.as_ref().and_then(|held| held.saved.clone()).map(Arc::new);
        Ok(WindowFeed {
            guard: Guard::new(target.clone(), &config.sending.reach.pinned, config.sending.allow_production_target)?,
            records: Rounds::open(store.clone(), plan.clone(), saved.clone())?,
            window: plan.window,
            filter: config.filter.clone(),
            shard: config.shard,
            portion: portion.clone(),
            pace: config.pacing.pace.clone(),
            longest_gap: config.pacing.longest_gap,
            repeat: config.repeat,
            line: line.clone(),
            job: held.map(|held| self.job(held, saved, portion)).transpose()?,
            preparer: Preparer::new(target.clone(), config.sending.clone()),
        })
    }

    fn job(&self, held: Held, saved: Option<Arc<Saved>>, portion: Option<Portion>) -> Result<LaneJob, RunError> {
        let Self { config, store, plan, line, control, stop } = self;
        let (lengths, order) = (Lengths::of(plan), order(store));
        let progress = match &saved {
            Some(saved) => Progress::resumed(order, saved),
            None => Progress::new(order, &lengths),
        };
        if let Some(saved) = saved.as_ref().filter(|_| order == Order::Offset) {
            let (filter, shard) = (config.filter.clone(), config.shard);
            let (ledger, keeps_bodies) = (Ledger::new(), false);
            let admit = Admit { window: plan.window, filter, shard, portion, keeps_bodies, ledger, history: None };
            survey(store, plan, saved, &progress, &admit, stop)?;
        }
        let most = config.sending.in_flight.min(MOST_IN_DOUBT);
        let spent = saved.as_ref().map_or_else(Default::default, |saved| saved.spent());
        let delivery = config.job.as_ref().map_or(Delivery::default(), |job| job.delivery);
        let course = Expected {
            pace: config.pacing.pace.clone(),
            from: saved.as_ref().map_or(0, |saved| saved.index()),
            line: line.clone(),
            control: control.clone(),
        };
        let claims = Claims::begin(held.keep, progress.clone(), most, course, spent)?;
        Ok(LaneJob { history: History { progress, saved, lengths, delivery }, claims })
    }
}

fn order(store: &Store) -> Order {
    match store {
        Store::Sqlite(_) => Order::Arrival,
        Store::Kafka(_) => Order::Offset,
    }
}
