//! From flags to a command: the file is put below, values are checked against each other, defaults are filled in.

use serde::Serialize;
use serde::de::DeserializeOwned;
use umbra_common::config::layer;
use umbra_common::fraction::Fraction;
use umbra_common::store::{StoreConfig, StoreSetting};
use umbra_common::time::{Timestamp, When, Window};

use super::change_flags::{ChangeFlags, Fitting};
use super::flags::{FilterFlags, FollowFlags, ReplayFlags, SendFlags, StoreFlags, TrafficFlags, WindowFlags};
use super::job_flags::{JobLookFlags, job};
use super::target_flags::TargetFlags;
use super::{ConfigError, FollowFrom};
use crate::command::{
    Action, Command, DEFAULT_CONNECTIONS, DEFAULT_TIMEOUT, FollowConfig, Look, ReplayConfig, Reporting, Sending,
    TrafficConfig,
};
use crate::job::{JobLook, JobsConfig};
use crate::read::Filter;
use crate::schedule::Repeat;
use crate::target::Order;
use crate::traffic::{IdPrefix, Output, Screen};

pub(super) fn follow(flags: FollowFlags) -> Result<Command, ConfigError> {
    let mut flags = below(flags, |f| &f.store)?;
    let log_format = flags.store.log_format.unwrap_or_default();
    flags.pace.check()?;
    let in_flight = flags.goals.in_flight()?;
    let mut filter = filter(&flags.filter)?;
    let (sending, reporting) = sending(flags.send, flags.reach, flags.changes, &mut filter)?;
    let sending = Sending { in_flight: in_flight.unwrap_or(sending.connections), ..sending };
    let reporting = Reporting { admin: flags.admin.resolve()?, ..reporting };
    let config = FollowConfig {
        store: store(&mut flags.store.store)?,
        from: flags.from.unwrap_or(FollowFrom::Latest).resolve(Timestamp::now()),
        rate: flags.pace.rate,
        delay: flags.pace.delay.map(|d| d.0).filter(|d| !d.is_zero()),
        max_lag: flags.pace.max_lag.map(|d| d.0),
        goals: flags.goals.pace_with,
        filter,
        sending: some_target(sending)?,
        reporting,
    };
    Ok(Command { log_format, action: Action::Follow(config) })
}

pub(super) fn replay(flags: ReplayFlags) -> Result<Command, ConfigError> {
    let (log_format, config) = window(flags)?;
    let sending = some_target(config.sending)?;
    Ok(Command { log_format, action: Action::Replay(ReplayConfig { sending, ..config }) })
}

/// A plan needs no target: it says what would be sent, wherever to.
pub(super) fn plan(flags: ReplayFlags, diff: bool) -> Result<Command, ConfigError> {
    let (log_format, config) = window(flags)?;
    if config.job.is_some() {
        return Err(ConfigError::Unused("--job", "a plan is printed and not kept"));
    }
    if config.repeat != Repeat::ONCE {
        return Err(ConfigError::Unused("--loop", "a plan is of one round, and each round takes as long"));
    }
    Ok(Command { log_format, action: Action::Plan { config, diff } })
}

fn window(flags: ReplayFlags) -> Result<(umbra_common::logs::LogFormat, ReplayConfig), ConfigError> {
    let mut flags = below(flags, |f| &f.store)?;
    let job = job(&flags.job, &flags, flags.shard, flags.changes.profile.as_deref())?;
    let now = Timestamp::now();
    let from = flags.window.from.ok_or(ConfigError::Missing("--from", "say where the window begins, as in -15m"))?;
    let window = Window::new(from.resolve(now), flags.window.to.unwrap_or(NOW).resolve(now))?;
    let in_flight = flags.goals.in_flight()?;
    let pacing = flags.pace.resolve(flags.goals.pace_with)?;
    let mut start_at = flags.start_at.map(|at| at.resolve(now));
    if let Some(at) = start_at.filter(|at| *at < now) {
        // What goes on has begun: the start has passed because it was kept.
        if !job.as_ref().is_some_and(|job| job.resume) {
            return Err(ConfigError::StartPassed(at));
        }
        start_at = None;
    }
    let mut filter = filter(&flags.filter)?;
    let (sending, reporting) = sending(flags.send, flags.reach, flags.changes, &mut filter)?;
    let sending = Sending { in_flight: in_flight.unwrap_or(sending.connections), ..sending };
    let reporting = Reporting { admin: flags.admin.resolve()?, ..reporting };
    let log_format = flags.store.log_format.unwrap_or_default();
    let store = store(&mut flags.store.store)?;
    let config = ReplayConfig {
        store,
        window,
        pacing,
        repeat: flags.job.repeat.unwrap_or_default(),
        start_at,
        shard: flags.shard,
        allow_partial: flags.job.allow_partial.unwrap_or(false),
        job,
        filter,
        sending,
        reporting,
    };
    Ok((log_format, config))
}

const NOW: When = When::Ago(std::time::Duration::ZERO);

pub(super) fn jobs(flags: JobLookFlags, look: JobLook) -> Result<Command, ConfigError> {
    let mut flags = below(flags, |f| &f.store)?;
    let output = flags.output.unwrap_or(Output::Table);
    if !matches!(output, Output::Table | Output::Json) {
        return Err(ConfigError::Output(output.to_string(), "table or json"));
    }
    let store = store(&mut flags.store.store)?;
    let log_format = flags.store.log_format.unwrap_or_default();
    Ok(Command { log_format, action: Action::Jobs(JobsConfig { store, output, look }) })
}

pub(super) fn list(flags: TrafficFlags, follow: bool) -> Result<Command, ConfigError> {
    let flags = below(flags, |f| &f.store)?;
    if follow && flags.window.to.is_some() {
        return Err(ConfigError::Unused("--to", "--follow goes on until it is interrupted"));
    }
    let window = past(&flags)?;
    traffic(flags, Look::List { window, follow }, Output::Table)
}

pub(super) fn top(flags: TrafficFlags, limit: usize) -> Result<Command, ConfigError> {
    let flags = below(flags, |f| &f.store)?;
    if limit == 0 {
        return Err(ConfigError::Zero("--limit"));
    }
    let window = past(&flags)?;
    traffic(flags, Look::Top { window, limit }, Output::Table)
}

/// The window that was asked for, from the beginning where nothing else is said. Clocks of recorders can be ahead: without
/// an end, it has none.
fn past(flags: &TrafficFlags) -> Result<Window, ConfigError> {
    let now = Timestamp::now();
    let WindowFlags { from, to } = flags.window;
    let from = from.map_or(Timestamp::ZERO, |from| from.resolve(now));
    Ok(Window::new(from, to.map_or(Timestamp::LAST, |to| to.resolve(now)))?)
}

pub(super) fn show(id: IdPrefix, flags: TrafficFlags) -> Result<Command, ConfigError> {
    let flags = below(flags, |f| &f.store)?;
    no_window(&flags, "an id says its own time")?;
    if flags.filter.sample.is_some() {
        return Err(ConfigError::Unused("--sample", "one exchange is shown by its id"));
    }
    if !flags.filter.conditions.is_empty() {
        return Err(ConfigError::Unused("--where", "one exchange is shown by its id"));
    }
    traffic(flags, Look::Show(id), Output::Http)
}

pub(super) fn tail(flags: TrafficFlags) -> Result<Command, ConfigError> {
    let flags = below(flags, |f| &f.store)?;
    no_window(&flags, "tail begins now; use traffic list for the past")?;
    traffic(flags, Look::Tail, Output::Table)
}

fn no_window(flags: &TrafficFlags, why: &'static str) -> Result<(), ConfigError> {
    match (flags.window.from, flags.window.to) {
        (Some(_), _) => Err(ConfigError::Unused("--from", why)),
        (_, Some(_)) => Err(ConfigError::Unused("--to", why)),
        (None, None) => Ok(()),
    }
}

fn traffic(mut flags: TrafficFlags, look: Look, usual: Output) -> Result<Command, ConfigError> {
    let log_format = flags.store.log_format.unwrap_or_default();
    let filter = filter(&flags.filter)?;
    let store = store(&mut flags.store.store)?;
    let output = flags.output.unwrap_or(usual);
    let wanted = match (&look, output) {
        (Look::Show(_), Output::Table) => Some("http, json, curl or har"),
        (Look::Top { .. }, Output::Http | Output::Curl | Output::Har) => Some("table or json"),
        _ => None,
    };
    if let Some(wanted) = wanted {
        return Err(ConfigError::Output(output.to_string(), wanted));
    }
    let screen = Screen::of_stdout(flags.no_color.is_some_and(|value| !value.is_empty()));
    Ok(Command { log_format, action: Action::Traffic(TrafficConfig { store, filter, output, screen, look }) })
}

/// The flags over the file they name.
fn below<T: Serialize + DeserializeOwned>(flags: T, store: fn(&T) -> &StoreFlags) -> Result<T, ConfigError> {
    match &store(&flags).config {
        None => Ok(flags),
        Some(file) => Ok(layer(&flags, file)?),
    }
}

fn store(setting: &mut Option<StoreSetting>) -> Result<StoreConfig, ConfigError> {
    let missing = ConfigError::Missing("--store", "give sqlite:FILE or kafka://HOST:PORT/TOPIC");
    setting.take().unwrap_or_default().resolve()?.ok_or(missing)
}

fn filter(flags: &FilterFlags) -> Result<Filter, ConfigError> {
    match flags.sample {
        Some(Fraction::NONE) => Err(ConfigError::Zero("--sample")),
        sample => Ok(Filter { sample: sample.unwrap_or(Fraction::ALL), conditions: flags.conditions.clone() }),
    }
}

/// How to send; the profile's conditions go to the filter.
fn sending(
    flags: SendFlags,
    reach: TargetFlags,
    changes: ChangeFlags,
    filter: &mut Filter,
) -> Result<(Sending, Reporting), ConfigError> {
    let mut names: Vec<_> = flags.target.iter().map(|t| &t.name).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(ConfigError::SameTarget(twice[0].to_string()));
    }
    let timeout = flags.timeout.map_or(DEFAULT_TIMEOUT, |t| t.0);
    if timeout.is_zero() {
        return Err(ConfigError::Zero("--timeout"));
    }
    let connections = flags.connections.map_or(DEFAULT_CONNECTIONS, |n| usize::try_from(n).unwrap_or(usize::MAX));
    if connections == 0 {
        return Err(ConfigError::Zero("--connections"));
    }
    let (order, session_by) = (changes.order, changes.session_by.clone().unwrap_or_default());
    let Fitting { changes, conditions, carries } = changes.resolve()?;
    filter.conditions.extend(conditions);
    if order == Some(Order::Free) && !carries.is_empty() {
        return Err(ConfigError::CarryWithoutOrder);
    }
    let order = order.unwrap_or(if carries.is_empty() { Order::Free } else { Order::Session });
    let (weights, breaker) = (reach.weights(&flags.target)?, reach.breaker.unwrap_or_default());
    let reach = reach.resolve(&flags.target, timeout)?;
    let sending = Sending {
        reach,
        weights,
        targets: flags.target,
        host: flags.host.unwrap_or_default(),
        protocol: flags.protocol.unwrap_or_default(),
        timeout,
        breaker,
        connections,
        in_flight: connections,
        changes,
        carries,
        order,
        session_by,
        allow_production_target: flags.allow_production_target.unwrap_or(false),
    };
    Ok((sending, Reporting { files: flags.report, gates: flags.fail_if, admin: None }))
}

fn some_target(sending: Sending) -> Result<Sending, ConfigError> {
    if sending.targets.is_empty() {
        return Err(ConfigError::Missing("--target", "say where to send to, as in staging=http://127.0.0.1:8080"));
    }
    Ok(sending)
}
