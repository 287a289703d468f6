//! A lane: the two threads that send to one target, and nothing shared with any other lane.
//!
//! **Invariant**: targets are isolated. A feeder reads the store for this target alone; a sender has its own runtime, its
//! dispatcher and its connections. A target that is slow or dead fills its own queue, and that is all it does.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use umbra_common::courtesy;
use umbra_common::ledger::{Ledger, ReplayOutcome};

use super::outlet::HANDFUL;
use super::{Budget, Outlet};
use crate::carry::Memory;
use crate::change::Tally;
use crate::command::Sending;
use crate::error::RunError;
use crate::report::{Figures, Live, Receipt, TargetReport};
use crate::schedule::{Alarm, Dispatcher, Pacer, Strain, intake};
use crate::stop::Stop;
use crate::target::{Breaker, Manner, Patience, Sender, Target, TargetScheme, Telling};

/// One target's threads and counts.
pub struct Lane {
    /// The target.
    pub target: Target,
    /// Where each exchange ended.
    pub ledger: Arc<Ledger<ReplayOutcome>>,
    /// What can be seen meanwhile.
    pub live: Arc<Live>,
    /// How much slower than asked the target is sent to, to spare it.
    pub strain: Arc<Strain>,
    /// Whether the target is worth sending to.
    pub breaker: Arc<Breaker>,
    figures: Arc<Mutex<Figures>>,
    tally: Tally,
    memory: Option<Arc<Memory>>,
    feeder: JoinHandle<Result<(), RunError>>,
    sender: JoinHandle<()>,
}

/// What a feeder works with.
pub struct Feed<R: Receipt> {
    /// Where requests go.
    pub outlet: Outlet<R>,
    /// Where each exchange is opened.
    pub ledger: Arc<Ledger<ReplayOutcome>>,
    /// What can be seen meanwhile.
    pub live: Arc<Live>,
    /// The wish to end.
    pub stop: Stop,
}

/// What a lane is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A window, which ends by itself and has a schedule to keep.
    Window,
    /// The live tail, which a restart reads again from the first record that has not ended.
    Tail,
}

impl Purpose {
    /// Requests read ahead. Of a window enough that the store's pauses are not felt at a high rate; of the tail few,
    /// because they wait in the log as well as here.
    fn read_ahead(self) -> usize {
        match self {
            Self::Window => 4096,
            Self::Tail => 256,
        }
    }

    fn patience(self) -> Patience {
        match self {
            Self::Window => Patience::None,
            Self::Tail => Patience::UntilConnected,
        }
    }
}

/// What has no time of its own waits this long for a target whose breaker is open: longer than most restarts.
const OPEN: Duration = Duration::from_secs(30);
/// Requests that have been read and not yet answered, in bytes of memory.
const LANE_BYTES: usize = 64 << 20;

impl Lane {
    /// Starts the two threads.
    pub fn start<R: Receipt>(
        target: Target,
        sending: &Sending,
        pacer: impl FnOnce(&Arc<Strain>) -> Pacer,
        purpose: Purpose,
        tally: Tally,
        stop: &Stop,
        feed: impl FnOnce(Feed<R>) -> Result<(), RunError> + Send + 'static,
    ) -> Result<Self, RunError> {
        let (ledger, live, strain) = (Ledger::new(), Arc::new(Live::default()), Arc::new(Strain::default()));
        let figures = Arc::new(Mutex::new(Figures::new(purpose == Purpose::Window)));
        let (queue, queued) = intake(purpose.read_ahead() / HANDFUL);
        let why = |why| RunError::Start { what: "a sender's runtime", why };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(why)?;
        let alarm = {
            let _inside = runtime.enter();
            Alarm::new().map_err(why)?
        };
        let dispatcher = Dispatcher::new(pacer(&strain), alarm);
        let manner = Manner {
            timeout: sending.timeout,
            connections: sending.connections,
            in_flight: sending.in_flight,
            patience: purpose.patience(),
            open: OPEN,
        };
        let memory = (!sending.carries.is_empty()).then(|| Arc::new(Memory::new(sending.carries.clone())));
        let breaker = Arc::new(Breaker::new(target.name.clone(), sending.breaker));
        let telling = Telling { figures: figures.clone(), live: live.clone(), breaker: breaker.clone() };
        let to = (&target.url, &sending.reach);
        let sender = Sender::new(to, manner, dispatcher, memory.clone(), telling, stop.clone())
            .map_err(|why| RunError::Tls { target: target.to_string(), why })?;
        if target.url.scheme == TargetScheme::Https && sending.reach.tls.insecure {
            tracing::warn!(target = %target.name, "--insecure-tls: whose certificate the target shows is not checked");
        }
        let sender = thread("send", move || runtime.block_on(sender.run(queued)))?;
        let outlet = Outlet::new(queue, Budget::new(LANE_BYTES));
        let work = Feed { outlet, ledger: ledger.clone(), live: live.clone(), stop: stop.clone() };
        let feeding = move || {
            courtesy::give_way();
            feed(work)
        };
        let feeder = thread("feed", feeding)?;
        Ok(Self { target, ledger, live, strain, breaker, figures, tally, memory, feeder, sender })
    }

    /// How many failed or were answered with an error.
    pub fn errors(&self) -> u64 {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner).errors()
    }

    /// Whether both threads have ended.
    pub fn is_finished(&self) -> bool {
        self.feeder.is_finished() && self.sender.is_finished()
    }

    /// Waits for the threads. What the target's part of the run came to, and why it failed, if it did.
    pub fn join(self) -> (TargetReport, Option<RunError>) {
        let fed = self.feeder.join().unwrap_or(Err(RunError::Panicked("feed")));
        let sent = self.sender.join().map_err(|_| RunError::Panicked("send"));
        let ledger = self.ledger.snapshot();
        let figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        let report = TargetReport {
            name: self.target.name.to_string(),
            url: self.target.url.to_string(),
            late: self.live.late(),
            gone: self.live.gone(),
            sent_again: self.live.again(),
            changes: self.tally.report(),
            carried: self.memory.map(|memory| memory.report()).unwrap_or_default(),
            spared: self.strain.spared(),
            breaker: self.breaker.broken(Instant::now()),
            ..figures.report(ledger.state("failed"))
        };
        (TargetReport { ledger, ..report }, fed.and(sent).err())
    }
}

fn thread<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, RunError> {
    Builder::new().name(what.into()).spawn(work).map_err(|why| RunError::Start { what, why })
}
