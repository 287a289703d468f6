//! A running recorder: its threads, and how they come and go.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use tokio::sync::{Notify, watch};
use umbra_common::courtesy::courteously;
use umbra_common::ledger::{Ledger, Snapshot};
use umbra_common::store::{StoreError, StoreHealth, StoreState, open_append, open_spooled};

use crate::accept::{self, Admission, Inherited, Sockets, tls_settings};
use crate::admin::{self, View};
use crate::begun::{Beginnings, Begun};
use crate::certificate::{self, Certificate};
use crate::config::{Config, ConfigError};
use crate::heartbeat::Heartbeat;
use crate::metrics::{Counters, Deliveries, Meters};
use crate::queue::{self, Feed};
use crate::redact::Redactions;
use crate::rules::{self, Rules};
use crate::store::StoreThread;
use crate::tap::Budget;
use crate::worker::{self, Drain, Phase, Shared};

/// A recorder that serves. Dropped without a drain, it cuts its connections and closes the store at once.
pub struct Recorder {
    addr: SocketAddr,
    admin_addr: SocketAddr,
    are_kept: bool,
    shared: Arc<Shared>,
    health: Arc<StoreHealth>,
    phase: watch::Sender<Phase>,
    store_deadline: Arc<OnceLock<Instant>>,
    drain_asked: Arc<Notify>,
    workers: Vec<JoinHandle<()>>,
    store: Option<JoinHandle<()>>,
    /// Looks at the rules file, where there is one.
    rules: Option<JoinHandle<()>>,
    admin: Option<(watch::Sender<()>, JoinHandle<()>)>,
    _certificate: Option<certificate::Watcher>,
}

/// Why a recorder cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store is one that can never be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An address cannot be listened on.
    #[error("cannot listen on {addr}: {source}; choose another address with --{flag}")]
    Listen {
        /// The address as given.
        addr: SocketAddr,
        /// The flag that gave it.
        flag: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The rules have changed since the settings were validated, and cannot be used.
    #[error("--rules: {0}")]
    Rules(String),
    /// What systemd has passed on is no listening TCP socket.
    #[error(
        "cannot listen on the socket '{name}' that systemd passed on: {source}; give ListenStream= addresses with ports"
    )]
    Inherited {
        /// The socket's name in systemd.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The socket for operators that systemd has passed on is open to the world.
    #[error("the admin socket {0} can be reached by others than this host: give --admin-token, or a loopback address")]
    AdminWithoutToken(SocketAddr),
    /// The library refuses to do TLS.
    #[error("cannot set up TLS towards clients: {0}")]
    Tls(#[from] rustls::Error),
    /// The system gives no thread, or a thread cannot have what it needs.
    #[error("cannot start a thread: {0}; see the limits on processes and open files (ulimit -u, ulimit -n)")]
    Thread(io::Error),
}

impl StartError {
    /// Whether the configuration is to blame (exit status 2) rather than the state of the world (1).
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Store(error) => error.is_configuration(),
            Self::Listen { .. } | Self::Rules(_) | Self::Inherited { .. } | Self::AdminWithoutToken(_) => true,
            Self::Tls(_) | Self::Thread(_) => false,
        }
    }
}

/// Of a drain's time, what is kept for the store: a fifth.
const STORE_PART: u32 = 5;

impl Recorder {
    /// Opens the store, listens, and serves from its own threads.
    pub fn start(config: Config) -> Result<Self, StartError> {
        Self::start_on(config, Inherited::default())
    }

    /// Does so on the sockets that were inherited instead of some or all of its own.
    pub fn start_on(config: Config, inherited: Inherited) -> Result<Self, StartError> {
        let health = Arc::new(StoreHealth::new());
        let (store, spool) = courteously(|| match &config.spool {
            None => Ok((open_append(&config.store, Arc::clone(&health))?, None)),
            Some(spool) => {
                open_spooled(&config.store, spool, Arc::clone(&health)).map(|(store, figures)| (store, Some(figures)))
            }
        })
        .map_err(|_| StartError::Thread(io::Error::other("opening the store panicked")))??;
        let Sockets { workers: listeners, admin: admin_listener, are_kept } =
            Sockets::open(inherited, config.listen, config.admin.addr, config.workers.get())?;
        let addr = local(&listeners[0][0], config.listen, "listen")?;
        let admin_addr = local(&admin_listener, config.admin.addr, "admin")?;
        if config.admin.token().is_none() && !admin_addr.ip().to_canonical().is_loopback() {
            return Err(StartError::AdminWithoutToken(admin_addr));
        }

        let live = config.rules.start().map_err(|error| StartError::Rules(error.to_string()))?;
        let (rules, redactions) = (Rules::new(config.rules.clone(), live), Arc::new(Redactions::default()));
        let counters = Arc::new(Counters::default());
        let (tls, certificate) = match &config.tls {
            None => (None, None),
            Some(tls) => {
                let certificate = Certificate::new(tls);
                let watcher = certificate.watch(tls.identity.clone(), Arc::clone(&counters.certificate_reloads));
                (Some(tls_settings(certificate)?), Some(watcher.map_err(StartError::Thread)?))
            }
        };

        let deliveries = Arc::new(Deliveries::default());
        let (batches, queue) = queue::channel();
        let (read_rules, rules_asked) = bounded(1);
        let drain_asked = Arc::new(Notify::new());
        let (phase, phases) = watch::channel(Phase::Serving);
        let (stop, stopped) = watch::channel(());
        let store_deadline = Arc::new(OnceLock::new());
        let store_thread = StoreThread {
            batches: queue.clone(),
            store,
            rules: Arc::clone(&rules),
            redactions: Arc::clone(&redactions),
            deliveries: Arc::clone(&deliveries),
            upstream: config.upstream_name().into(),
            recorder: Arc::clone(&config.instance),
            deadline: Arc::clone(&store_deadline),
        };
        let shared = Arc::new(Shared {
            ledger: Ledger::new(),
            budget: Budget::new(config.memory_limit.bytes()),
            counters,
            admission: Admission::new(&config.edge),
            rules,
            redactions,
            heartbeat: Heartbeat::new(config.workers.get()),
            tls,
            meters: Meters::default(),
            deliveries,
            config,
        });
        let view = Arc::new(View {
            shared: Arc::clone(&shared),
            health: Arc::clone(&health),
            spool,
            queue,
            phase: phases.clone(),
            started: Instant::now(),
            read_rules: shared.rules.file().is_some().then_some(read_rules),
            drain: Arc::clone(&drain_asked),
        });

        // What is started so far stops again when this is dropped on the way out.
        let mut recorder = Self {
            addr,
            admin_addr,
            are_kept,
            shared,
            health,
            phase,
            store_deadline,
            drain_asked,
            workers: Vec::new(),
            store: None,
            rules: None,
            admin: None,
            _certificate: certificate,
        };
        let mut beginnings = Beginnings::of(listeners.len() + 1);
        let store = recorder.store.insert(thread("umbra-store", move || store_thread.run())?);
        // Let go of before the recorder on the way out, whose store's thread ends when nobody has the queue.
        let batches = Feed::new(batches, store.thread().clone());
        for (n, listeners) in listeners.into_iter().enumerate() {
            let (shared, batches, phases) = (Arc::clone(&recorder.shared), batches.clone(), phases.clone());
            let run = move |begun: &Begun| worker::run(&shared, n, listeners, batches, phases, begun);
            let worker = beginnings.thread(&format!("umbra-worker-{n}"), run);
            recorder.workers.push(worker.map_err(StartError::Thread)?);
        }
        if let Some(file) = recorder.shared.rules.file().cloned() {
            // Ends with the admin listener, which holds the other end of what it waits for.
            let rules = Arc::clone(&recorder.shared.rules);
            recorder.rules = Some(thread("umbra-rules", move || rules::watch(&rules, &file, &rules_asked))?);
        }
        let admin = beginnings.thread("umbra-admin", move |begun| admin::run(admin_listener, &view, stopped, begun));
        recorder.admin = Some((stop, admin.map_err(StartError::Thread)?));
        beginnings.wait().map_err(StartError::Thread)?;
        Ok(recorder)
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where operators connect.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin_addr
    }

    /// The ledger now.
    pub fn ledger(&self) -> Snapshot {
        self.shared.ledger.snapshot()
    }

    /// Whether the store takes records.
    pub fn store_state(&self) -> StoreState {
        self.health.get().0
    }

    /// Waits until an operator asks the admin listener for a drain.
    pub async fn drain_asked(&self) {
        self.drain_asked.notified().await;
    }

    /// What runs, in one line: where, for whom, and what is recorded.
    pub fn summary(&self) -> Result<String, ConfigError> {
        let config = &self.shared.config;
        Ok(format!(
            "listening on {}{} for {}, recording {} of requests (by {}, responses {}) to {}; {}; admin on {}",
            self.addr,
            if config.tls.is_some() { " with TLS" } else { "" },
            config.upstream_name(),
            config.sample.fraction,
            config.sample.by,
            config.responses,
            config.store_url(),
            config.rules_summary()?,
            self.admin_addr,
        ))
    }

    /// The worker that has not turned for `limit`, if there is one.
    pub fn stuck_worker(&self, limit: Duration) -> Option<usize> {
        self.shared.heartbeat.stuck_for(limit)
    }

    /// Drains: unready, accepts no more, lets exchanges end, flushes the store, and says where every request ended.
    ///
    /// Takes at most `--drain-timeout`, of which a fifth is kept for the store, and what the store needs to notice.
    pub fn drain(mut self) -> Snapshot {
        self.stop(self.shared.config.drain_timeout);
        self.ledger()
    }

    fn stop(&mut self, time: Duration) {
        let now = Instant::now();
        let _ = self.store_deadline.set(now + time);
        let to_successor = !self.are_kept && !time.is_zero() && accept::has_successor(self.addr, self.workers.len());
        if to_successor {
            tracing::info!("another process listens on {} too: leaving it the port", self.addr);
        }
        self.phase.send_replace(Phase::Draining(Drain { deadline: now + time - time / STORE_PART, to_successor }));
        for worker in self.workers.drain(..) {
            joined(&worker.join());
        }
        // The last worker has let go of the queue, which ends the store's thread.
        if let Some(store) = self.store.take()
            && store.join().is_err()
        {
            tracing::error!("the store's thread panicked");
        }
        if let Some((stop, admin)) = self.admin.take() {
            drop(stop);
            joined(&admin.join());
        }
        if let Some(rules) = self.rules.take() {
            joined(&rules.join());
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}

fn local(listener: &TcpListener, addr: SocketAddr, flag: &'static str) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|source| StartError::Listen { addr, flag, source })
}

fn thread<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, StartError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(StartError::Thread)
}

fn joined(ended: &std::thread::Result<()>) {
    if ended.is_err() {
        tracing::error!("a thread panicked");
    }
}
