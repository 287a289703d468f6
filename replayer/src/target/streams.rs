//! HTTP/2 connections to one target: as many as its limit of streams makes necessary.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::RecordedBody;
use super::connect::{ConnectError, Way};
use super::settings::{PeerSays, Watched};

pub(super) type H2 = http2::SendRequest<RecordedBody>;

/// The connections, and the attempt to make one more, shared by all who need it.
#[derive(Clone)]
pub(super) struct StreamPool {
    way: Arc<Way>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    /// The oldest first: a low rate keeps few of them busy.
    open: Vec<Arc<Connection>>,
    opening: Option<Opening>,
}

type Opening = Shared<BoxFuture<'static, Result<(), ConnectError>>>;

struct Connection {
    sender: H2,
    peer: Arc<PeerSays>,
    streams: AtomicUsize,
    distrusted: AtomicBool,
}

/// Room for one stream; given back when dropped.
pub(super) struct StreamRoom(Arc<Connection>);

impl StreamRoom {
    /// What sends on it.
    pub(super) fn sender(&self) -> H2 {
        self.0.sender.clone()
    }

    /// A request on the connection got no answer: later ones go on another.
    pub(super) fn distrust(&self) {
        self.0.distrusted.store(true, Ordering::Relaxed);
    }
}

impl Drop for StreamRoom {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connection {
    fn is_usable(&self) -> bool {
        !self.sender.is_closed() && !self.peer.is_leaving() && !self.distrusted.load(Ordering::Relaxed)
    }

    fn enter(self: &Arc<Self>) -> Option<StreamRoom> {
        // A target that allows none for a while is not asked for ever more connections: its request waits.
        let limit = self.peer.stream_limit().max(1);
        let enter = |streams| (streams < limit).then_some(streams + 1);
        let entered = self.streams.fetch_update(Ordering::Relaxed, Ordering::Relaxed, enter);
        entered.ok().map(|_| StreamRoom(Arc::clone(self)))
    }
}

impl StreamPool {
    pub(super) fn new(way: Arc<Way>) -> Self {
        Self { way, inner: Arc::default() }
    }

    /// Room on a connection that there is, or on a new one. One attempt at a time: whoever comes meanwhile waits for the
    /// same one, and tries again.
    pub(super) async fn room(&self) -> Result<StreamRoom, ConnectError> {
        loop {
            let opening = {
                let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
                inner.open.retain(|connection| connection.is_usable());
                if let Some(room) = inner.open.iter().find_map(Connection::enter) {
                    return Ok(room);
                }
                inner.opening.get_or_insert_with(|| self.clone().open().boxed().shared()).clone()
            };
            let opened = opening.clone().await;
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            if inner.opening.as_ref().is_some_and(|now| now.ptr_eq(&opening)) {
                inner.opening = None;
            }
            drop(inner);
            opened?;
        }
    }

    /// Opens a connection, and waits for the target's settings: before them its limit of streams is not known, and what
    /// had been sent beyond it could not be moved to another connection any more.
    async fn open(self) -> Result<(), ConnectError> {
        let peer = Arc::new(PeerSays::default());
        let io = TokioIo::new(Watched::new(self.way.for_h2().await?, Arc::clone(&peer)));
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        let mut driver = tokio::spawn(connection);
        tokio::select! {
            biased;
            () = peer.settings_came() => {}
            ended = &mut driver => if let Ok(Err(error)) = ended { return Err(error.into()) },
        }
        let connection = Connection { sender, peer, streams: AtomicUsize::new(0), distrusted: AtomicBool::new(false) };
        if driver.is_finished() || !connection.is_usable() {
            // Whoever finds it useless would open the next one at once.
            return Err(ConnectError::Leaving);
        }
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).open.push(Arc::new(connection));
        Ok(())
    }
}

#[cfg(test)]
#[path = "streams_tests.rs"]
mod tests;
