//! What to do, checked: every value has its own type, every default is filled in.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use umbra_common::logs::LogFormat;
use umbra_common::rate::Rate;
use umbra_common::store::{Start, StoreConfig};
use umbra_common::time::{HumanDuration, Timestamp, Window};

use crate::carry::{CarryRules, SessionBy};
use crate::change::Changes;
use crate::job::{JobConfig, JobsConfig};
use crate::read::Filter;
use crate::report::Gate;
use crate::schedule::{Behind, Goals, Pace, Repeat, Shard};
use crate::target::{BreakAfter, HostPolicy, Order, Portion, ProtocolPolicy, Reach, Target, Weight};
use crate::traffic::{IdPrefix, Output, Screen};

/// One run of the program.
#[derive(Clone, Debug)]
pub struct Command {
    /// How log lines look.
    pub log_format: LogFormat,
    /// What to do.
    pub action: Action,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Action {
    /// Send the live tail.
    Follow(FollowConfig),
    /// Send a window.
    Replay(ReplayConfig),
    /// Say what `Replay` would send.
    Plan {
        /// The replay.
        config: ReplayConfig,
        /// Whether to show what the changes do.
        diff: bool,
    },
    /// List, show or tail recorded traffic.
    Traffic(TrafficConfig),
    /// List, show or delete jobs.
    Jobs(JobsConfig),
    /// Ask the run with this admin listener whether it is ready.
    Probe(SocketAddr),
}

/// How shadow requests are sent.
#[derive(Clone, Debug)]
pub struct Sending {
    /// Where to.
    pub targets: Vec<Target>,
    /// The targets that share the traffic; each of the others gets everything.
    pub weights: Vec<Weight>,
    /// Which authority a target sees.
    pub host: HostPolicy,
    /// Which protocol is used.
    pub protocol: ProtocolPolicy,
    /// The longest a request may take, the connection included.
    pub timeout: Duration,
    /// How targets are connected to.
    pub reach: Reach,
    /// After how many failures in a row a target is only probed.
    pub breaker: BreakAfter,
    /// The most HTTP/1.1 connections to each target.
    pub connections: usize,
    /// The most requests in flight to each target, over whatever protocol.
    pub in_flight: usize,
    /// What is changed in every request.
    pub changes: Changes,
    /// What is taken from answers and put into later requests of the session.
    pub carries: CarryRules,
    /// What is kept in order.
    pub order: Order,
    /// What names a session.
    pub session_by: SessionBy,
    /// Whether the address that was recorded in front of may be a target.
    pub allow_production_target: bool,
}

impl Sending {
    /// To these targets, with the defaults of the command line.
    pub fn to(targets: Vec<Target>) -> Self {
        Self {
            targets,
            weights: Vec::new(),
            host: HostPolicy::default(),
            protocol: ProtocolPolicy::default(),
            timeout: DEFAULT_TIMEOUT,
            reach: Reach::default(),
            breaker: BreakAfter::default(),
            connections: DEFAULT_CONNECTIONS,
            in_flight: DEFAULT_CONNECTIONS,
            changes: Changes::default(),
            carries: CarryRules::default(),
            order: Order::default(),
            session_by: SessionBy::default(),
            allow_production_target: false,
        }
    }
}

impl Sending {
    /// A target's part of the traffic; everything where there is none.
    pub fn portion(&self, target: &Target) -> Option<Portion> {
        Portion::of(target, &self.weights, &self.session_by)
    }
}

/// Longer than nearly every answer, short enough that a dead target is noticed.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// Some thousand requests per second at tens of milliseconds each, and below every usual limit on open files.
pub const DEFAULT_CONNECTIONS: usize = 256;

/// What becomes of the result.
#[derive(Clone, Debug, Default)]
pub struct Reporting {
    /// The files for the report: HTML by the name's end, JSON otherwise.
    pub files: Vec<PathBuf>,
    /// What must not hold at the end.
    pub gates: Vec<Gate>,
    /// Where the run can be watched and controlled.
    pub admin: Option<AdminConfig>,
}

/// An admin listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminConfig {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it asks for; nothing on loopback.
    pub token: Option<AdminToken>,
}

/// A bearer token, which no log line shows.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken(String);

impl AdminToken {
    /// This one.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(…)")
    }
}

/// How fast a window is sent, and what may slow it down.
#[derive(Clone, Debug, Default)]
pub struct Pacing {
    /// When each exchange is due.
    pub pace: Pace,
    /// Gaps of the recording that are longer become as long as this.
    pub longest_gap: Option<Duration>,
    /// The most to each target, whatever the pace.
    pub max_rate: Option<Rate>,
    /// What becomes of what is late.
    pub behind: Behind,
    /// What a target has to keep to be sent the full pace.
    pub goals: Option<Goals>,
}

impl fmt::Display for Pacing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.pace)?;
        if let Some(gap) = self.longest_gap {
            write!(f, ", no gap over {}", HumanDuration(gap))?;
        }
        if let Some(rate) = self.max_rate {
            write!(f, ", at most {rate}")?;
        }
        if let Some(goals) = &self.goals {
            write!(f, ", while {goals}")?;
        }
        Ok(())
    }
}

impl From<Pace> for Pacing {
    fn from(pace: Pace) -> Self {
        Self { pace, ..Self::default() }
    }
}

/// A window, sent on a schedule.
#[derive(Clone, Debug)]
pub struct ReplayConfig {
    /// Where the traffic is.
    pub store: StoreConfig,
    /// Which stretch of recorded time.
    pub window: Window,
    /// How fast.
    pub pacing: Pacing,
    /// How often.
    pub repeat: Repeat,
    /// The instant of the first due time; as soon as everything is ready where absent.
    pub start_at: Option<Timestamp>,
    /// This process's part.
    pub shard: Option<Shard>,
    /// Whether what is left is sent of a window that has expired in part.
    pub allow_partial: bool,
    /// What is kept of it, under which name.
    pub job: Option<JobConfig>,
    /// Which exchanges.
    pub filter: Filter,
    /// How they are sent.
    pub sending: Sending,
    /// What becomes of the result.
    pub reporting: Reporting,
}

impl ReplayConfig {
    /// A window as it was recorded, to these targets, with the defaults of the command line.
    pub fn new(store: StoreConfig, window: Window, targets: Vec<Target>) -> Self {
        Self {
            store,
            window,
            pacing: Pacing::default(),
            repeat: Repeat::ONCE,
            start_at: None,
            shard: None,
            allow_partial: false,
            job: None,
            filter: Filter::default(),
            sending: Sending::to(targets),
            reporting: Reporting::default(),
        }
    }
}

/// The live tail, sent as it comes.
#[derive(Clone, Debug)]
pub struct FollowConfig {
    /// Where the traffic is.
    pub store: StoreConfig,
    /// Where a target begins that has no position yet.
    pub from: Start,
    /// The fleet's cap for each target.
    pub rate: Option<Rate>,
    /// Each exchange leaves so long after its arrival; as it comes where absent.
    pub delay: Option<Duration>,
    /// Older exchanges are skipped.
    pub max_lag: Option<Duration>,
    /// What a target has to keep to be sent everything as it comes.
    pub goals: Option<Goals>,
    /// Which exchanges.
    pub filter: Filter,
    /// How they are sent.
    pub sending: Sending,
    /// What becomes of the result.
    pub reporting: Reporting,
}

impl FollowConfig {
    /// What is recorded from now on, to these targets, with the defaults of the command line.
    pub fn new(store: StoreConfig, targets: Vec<Target>) -> Self {
        Self {
            store,
            from: Start::Latest,
            rate: None,
            delay: None,
            max_lag: None,
            goals: None,
            filter: Filter::default(),
            sending: Sending::to(targets),
            reporting: Reporting::default(),
        }
    }
}

/// A look at recorded traffic.
#[derive(Clone, Debug)]
pub struct TrafficConfig {
    /// Where the traffic is.
    pub store: StoreConfig,
    /// Which exchanges.
    pub filter: Filter,
    /// How they are printed.
    pub output: Output,
    /// Where they are printed.
    pub screen: Screen,
    /// Which of them.
    pub look: Look,
}

/// Which exchanges are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// Those of a window.
    List {
        /// The window.
        window: Window,
        /// Whether to go on with those that are recorded from now on.
        follow: bool,
    },
    /// The one whose id begins so.
    Show(IdPrefix),
    /// Those that are recorded from now on.
    Tail,
    /// Those of a window, counted by endpoint.
    Top {
        /// The window.
        window: Window,
        /// As many endpoints, the busiest first.
        limit: usize,
    },
}
