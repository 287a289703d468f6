//! The admin listener: what operators and their programs ask, and what they tell.
//!
//! It shares nothing with the live path but counters, and bounds what it is given itself: connections, heads, bodies, time.

mod access;
mod answer;
mod plain;
mod status;

use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::registry::Registry;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, Semaphore, watch};
use umbra_common::store::{SpoolFigures, StoreHealth};

use crate::begun::Begun;
use crate::metrics;
use crate::queue::Batch;
use crate::rules::ReadNow;
use crate::worker::{Phase, Shared};
use access::Access;

const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

/// Operators, their dashboards and probes; more at once wait.
const CONNECTIONS: usize = 64;
/// The largest head.
const HEAD_BUFFER: usize = 16 << 10;
const MOST_FIELDS: usize = 64;

/// What can be seen of a running recorder, and what can be asked of it.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) shared: Arc<Shared>,
    pub(crate) health: Arc<StoreHealth>,
    /// Where there is one.
    pub(crate) spool: Option<Arc<SpoolFigures>>,
    pub(crate) queue: Receiver<Batch>,
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) started: Instant,
    /// Has the rules file read again, where there is one.
    pub(crate) read_rules: Option<Sender<ReadNow>>,
    /// Told when an operator asks for a drain.
    pub(crate) drain: Arc<Notify>,
}

impl View {
    /// Batches that wait for the store's thread.
    pub(crate) fn queued(&self) -> u64 {
        self.queue.len() as u64
    }

    /// Batches that may wait.
    pub(crate) fn queue_limit(&self) -> u64 {
        self.queue.capacity().unwrap_or_default() as u64
    }

    fn is_draining(&self) -> bool {
        *self.phase.borrow() != Phase::Serving
    }

    /// SIGHUP: the rules file is read again.
    fn read_rules(&self) {
        match &self.read_rules {
            // A full channel says that it is about to be read anyway.
            Some(read_rules) => drop(read_rules.try_send(ReadNow)),
            None => tracing::info!("SIGHUP: there is no --rules file to read again"),
        }
    }
}

/// What each connection needs.
struct Desk {
    view: Arc<View>,
    registry: Registry,
    access: Access,
}

/// Answers until `stop` is dropped.
pub(crate) fn run(
    listener: TcpListener,
    view: &Arc<View>,
    mut stop: watch::Receiver<()>,
    begun: &Begun,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default())?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let desk = Rc::new(Desk {
            registry: metrics::registry(Arc::clone(view)),
            access: Access::new(view.shared.config.admin.token()),
            view: Arc::clone(view),
        });
        let mut hangup = signal(SignalKind::hangup())?;
        begun.now();
        tokio::task::spawn_local(accept(listener, desk));
        loop {
            tokio::select! {
                _ = hangup.recv() => view.read_rules(),
                // Nothing is ever sent: an error says that the recorder has let go of the other end.
                changed = stop.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    })
}

async fn accept(listener: tokio::net::TcpListener, desk: Rc<Desk>) {
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let desk = Rc::clone(&desk);
                tokio::task::spawn_local(async move {
                    serve(TokioIo::new(stream), &desk).await;
                    drop(seat);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept an admin connection; trying again after a pause");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn serve(io: TokioIo<tokio::net::TcpStream>, desk: &Rc<Desk>) {
    let service = service_fn(|request| answer::answer(request, Rc::clone(desk)));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BUFFER)
        .max_headers(MOST_FIELDS);
    if let Err(error) = builder.serve_connection(io, service).await {
        tracing::debug!(%error, "an admin connection broke");
    }
}
