//! What goes on behind a handshake that changed the protocol: bytes both ways, neither judged nor recorded.

mod counted;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};

use self::counted::Counted;
use crate::deadlines::Deadlines;
use crate::metrics::Counters;

/// What is read ahead in each direction of one tunnel; a side that does not read holds the other back.
const BUFFER: usize = 16 << 10;

/// The tunnels of one worker.
#[derive(Debug)]
pub(crate) struct Tunnels {
    open: Cell<usize>,
    /// One on which nothing passes for so long is closed.
    idle: Option<Duration>,
    deadlines: Rc<Deadlines>,
    counters: Arc<Counters>,
}

/// How a tunnel ended.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("nothing passed for --tunnel-timeout")]
    Idle,
    #[error(transparent)]
    Broken(#[from] io::Error),
}

impl Tunnels {
    pub(crate) fn new(idle: Option<Duration>, deadlines: Rc<Deadlines>, counters: Arc<Counters>) -> Rc<Self> {
        Rc::new(Self { open: Cell::new(0), idle, deadlines, counters })
    }

    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        self.open.get()
    }

    /// Carries bytes between a client and the upstream until both have ended, one has broken off, or nothing has passed
    /// for too long. Either side's end is passed on by itself.
    pub(crate) async fn carry<C>(&self, client: C, upstream: OnUpgrade)
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        let _open = Open::new(self);
        let ended = match upstream.await {
            Ok(upstream) => self.copy(Counted::new(client, &self.counters), upstream).await,
            Err(error) => Err(Cut::Broken(io::Error::other(error))),
        };
        match ended {
            Ok(()) => {}
            Err(cut) => tracing::debug!(%cut, "a tunnel was cut"),
        }
    }

    async fn copy<C>(&self, mut client: Counted<'_, C>, upstream: Upgraded) -> Result<(), Cut>
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        let (mut upstream, passed) = (TokioIo::new(upstream), client.passed());
        let mut copy = pin!(copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER));
        let limit = self.deadlines.limit();
        limit.set(self.idle);
        let mut before = 0;
        poll_fn(|cx| {
            if let Poll::Ready(ended) = copy.as_mut().poll(cx) {
                return Poll::Ready(ended.map(drop).map_err(Cut::Broken));
            }
            if before != passed.get() {
                before = passed.get();
                limit.set(self.idle);
            }
            if limit.has_passed(cx) { Poll::Ready(Err(Cut::Idle)) } else { Poll::Pending }
        })
        .await
    }
}

/// One open tunnel, counted for as long as it lives.
struct Open<'a>(&'a Tunnels);

impl<'a> Open<'a> {
    fn new(tunnels: &'a Tunnels) -> Self {
        tunnels.open.set(tunnels.open.get() + 1);
        tunnels.counters.tunnels.inc();
        tunnels.counters.tunnels_open.inc();
        Self(tunnels)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.counters.tunnels_open.dec();
    }
}
