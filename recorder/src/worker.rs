//! A worker: one thread with a runtime, a listener and an upstream pool of its own. Workers share only counters.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};
use umbra_common::courtesy::take_short_turns;
use umbra_common::exchange::{IdSource, Scheme};
use umbra_common::ledger::{Ledger, RecordOutcome};

use crate::accept::{self, Admission, Closing, HANDSHAKE};
use crate::begun::Begun;
use crate::config::{Config, EdgeConfig, Mode};
use crate::deadlines::{Deadlines, LOOK};
use crate::forward::Forwarder;
use crate::heartbeat::Heartbeat;
use crate::metrics::{Counters, Deliveries, Meter, Meters};
use crate::queue::{Feed, Outbox};
use crate::redact::Redactions;
use crate::rules::{Rules, RulesView};
use crate::sample::Sampler;
use crate::tap::{Budget, Taps};
use crate::tunnel::Tunnels;

/// How long an idle connection is left open, in a drain, for a request that is already under way to it.
const LINGER: Duration = Duration::from_millis(250);

/// What all threads share: counters, nothing that is ever waited for.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) ledger: Arc<Ledger<RecordOutcome>>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) redactions: Arc<Redactions>,
    pub(crate) heartbeat: Heartbeat,
    /// TLS towards clients.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) meters: Meters,
    pub(crate) deliveries: Arc<Deliveries>,
}

/// Whether the recorder serves or is about to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It serves.
    Serving,
    /// It lets exchanges end.
    Draining(Drain),
}

/// How a drain goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drain {
    /// What goes on then is cut.
    pub(crate) deadline: std::time::Instant,
    /// Another process listens on the same address and takes over.
    pub(crate) to_successor: bool,
}

/// One worker's own things.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) ledger: Arc<Ledger<RecordOutcome>>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) edge: EdgeConfig,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) sampler: Sampler,
    pub(crate) rules: RulesView,
    pub(crate) meter: Arc<Meter>,
    pub(crate) ids: RefCell<IdSource>,
    /// What records of this recorder say of it.
    pub(crate) provenance: String,
    pub(crate) taps: Rc<Taps>,
    pub(crate) way: Way,
    pub(crate) closing: Rc<Closing>,
    pub(crate) deadlines: Rc<Deadlines>,
    pub(crate) tunnels: Rc<Tunnels>,
    outbox: Rc<Outbox>,
}

/// What this worker does with a request.
#[derive(Debug)]
pub(crate) enum Way {
    /// Sends it on.
    Forward(Forwarder),
    /// Answers it.
    Sink,
}

impl Way {
    /// Whether an HTTP/2 client may be offered extended CONNECT.
    pub(crate) fn takes_connect(&self) -> bool {
        match self {
            Self::Forward(forwarder) => forwarder.takes_connect(),
            Self::Sink => false,
        }
    }
}

impl Worker {
    fn new(shared: &Shared, batches: Feed) -> Rc<Self> {
        let config = &shared.config;
        let outbox = Outbox::new(batches);
        let deadlines = Deadlines::new();
        let meter = shared.meters.one();
        Rc::new(Self {
            ledger: Arc::clone(&shared.ledger),
            budget: Arc::clone(&shared.budget),
            counters: Arc::clone(&shared.counters),
            admission: Arc::clone(&shared.admission),
            edge: config.edge.clone(),
            tls: shared.tls.clone(),
            sampler: Sampler::new(config.sample.by.clone()),
            rules: RulesView::new(&shared.rules),
            ids: RefCell::new(IdSource::new()),
            provenance: umbra_common::provenance::word(&config.instance, &config.upstream_name()),
            taps: Taps::new(Rc::clone(&outbox)),
            way: match &config.mode {
                Mode::Forward(upstream) => {
                    let (timeout, deadlines) = (config.upstream_timeout, Rc::clone(&deadlines));
                    let meter = Arc::clone(&meter);
                    Way::Forward(Forwarder::new(upstream.clone(), &config.dialing, timeout, deadlines, meter))
                }
                Mode::Sink => Way::Sink,
            },
            meter,
            closing: Rc::default(),
            tunnels: Tunnels::new(config.tunnel_timeout, Rc::clone(&deadlines), Arc::clone(&shared.counters)),
            deadlines,
            outbox,
        })
    }

    /// How clients reach it.
    pub(crate) fn scheme(&self) -> Scheme {
        if self.tls.is_some() { Scheme::Https } else { Scheme::Http }
    }

    /// Looks over everything that can take too long.
    async fn look_over(self: Rc<Self>, beat: impl Fn()) {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            beat();
            self.deadlines.look();
            self.taps.emit_overdue();
            if let Way::Forward(forwarder) = &self.way {
                forwarder.close_idle();
            }
        }
    }

    /// Lets exchanges end, at most until `deadline`; what still goes on then is handed over unfinished.
    async fn drain(&self, deadline: Instant) {
        if timeout(LINGER.min(deadline.saturating_duration_since(Instant::now())), self.closing.emptied())
            .await
            .is_err()
        {
            self.closing.begin();
            if timeout_at(deadline, self.closing.emptied()).await.is_err() {
                let tunnels = self.tunnels.open();
                tracing::warn!(
                    connections = self.closing.open(),
                    tunnels,
                    "the drain's time is up; connections are cut"
                );
            }
        }
        self.taps.emit_all();
        self.outbox.hand_over();
    }
}

/// Waits for a drain, and brings its manner.
async fn drain_begins(phase: &mut watch::Receiver<Phase>) -> Drain {
    match phase.wait_for(|phase| *phase != Phase::Serving).await.as_deref() {
        Ok(Phase::Draining(drain)) => *drain,
        // The recorder is gone without a drain.
        _ => Drain { deadline: std::time::Instant::now(), to_successor: false },
    }
}

/// Leaves the listeners' port to the process that listens on it too.
async fn hand_over(listeners: &[TcpListener], worker: &Rc<Worker>, deadline: Instant) {
    for listener in listeners {
        if let Err(error) = accept::take_no_more(listener) {
            tracing::warn!(%error, "cannot keep new connections away; some may be reset when the listener closes");
        }
    }
    let end = deadline.min(Instant::now() + HANDSHAKE);
    // It never ends by itself.
    let _ = timeout_at(end, accept::accept(listeners, worker)).await;
}

/// Serves until the drain is over.
pub(crate) fn run(
    shared: &Arc<Shared>,
    n: usize,
    listeners: Vec<std::net::TcpListener>,
    batches: Feed,
    mut phase: watch::Receiver<Phase>,
    begun: &Begun,
) -> std::io::Result<()> {
    take_short_turns();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default())?;
    runtime.block_on(async {
        let worker = Worker::new(shared, batches);
        let listeners = listeners.into_iter().map(TcpListener::from_std).collect::<std::io::Result<Vec<_>>>()?;
        begun.now();
        tokio::task::spawn_local(Rc::clone(&worker.outbox).keep_handing_over());
        let turns = Arc::clone(shared);
        tokio::task::spawn_local(Rc::clone(&worker).look_over(move || turns.heartbeat.beat(n)));
        let drain = tokio::select! {
            never = accept::accept(&listeners, &worker) => match never {},
            drain = drain_begins(&mut phase) => drain,
        };
        let deadline = Instant::from_std(drain.deadline);
        worker.closing.announce();
        if drain.to_successor {
            hand_over(&listeners, &worker, deadline).await;
        }
        listeners.iter().for_each(|listener| accept::accept_waiting(listener, &worker));
        drop(listeners);
        worker.drain(deadline).await;
        Ok(())
    })
}
