//! HTTP/1.1 to the upstream: one worker's idle connections.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Context;
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;

use super::connect::{Connector, Place};
use super::faithful::{Came, Faithful, Next};
use super::fresh::{Fresh, Look};
use super::interim::Interim;
use super::overheard::Overheard;
use super::waking::Waking;
use super::{Failure, RequestBody};
use crate::deadlines::Deadlines;

/// An idle connection older than this is not used again. Below the 5 s after which Node.js and uvicorn close theirs, so
/// that a request seldom meets a connection that is just being closed.
const IDLE: Duration = Duration::from_secs(4);

/// More idle connections are not kept.
const MOST_IDLE: usize = 1024;

/// The idle connections of one worker; the last used is used first, so that those not needed grow old.
#[derive(Debug)]
pub(super) struct Pool {
    connector: Rc<Connector>,
    idle: RefCell<Vec<Idle>>,
    deadlines: Rc<Deadlines>,
}

#[derive(Debug)]
struct Idle {
    line: Box<Line>,
    since: Instant,
}

/// A connection to the upstream. In a box for as long as it is open: it goes from hand to hand with each exchange.
#[derive(Debug)]
struct Line {
    sender: SendRequest<RequestBody>,
    /// How the next request's head came, where that matters.
    next: Next,
    look: Look,
    overheard: Overheard,
    waking: Waking,
    place: Place,
}

/// A connection in use.
#[derive(Debug)]
pub(super) struct Lease {
    pool: Rc<Pool>,
    line: Box<Line>,
}

impl Pool {
    pub(super) fn new(connector: Rc<Connector>, deadlines: Rc<Deadlines>) -> Rc<Self> {
        Rc::new(Self { connector, idle: RefCell::default(), deadlines })
    }

    /// Sends a request over a connection that is free, or a new one. `came`: the head that is to go out as it came; only of the
    /// response to such a one interim ones can be passed on.
    pub(super) async fn send(
        self: &Rc<Self>,
        mut request: Box<Request<RequestBody>>,
        came: &mut Option<Came>,
        mut interim: Option<Interim>,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        loop {
            let (mut line, used) = match self.take(came.is_some()) {
                Some(line) => (line, true),
                None => (Box::pin(self.open()).await?, false),
            };
            if let Some(came) = came.take() {
                line.next.set(came);
                line.overheard.listen(interim.take());
            }
            match line.sender.try_send_request(*request).await {
                Ok(response) => return Ok((response, Lease { pool: Rc::clone(self), line })),
                // It never left: the upstream had closed a connection that seemed free.
                Err(mut error) if used => match error.take_message() {
                    Some(unsent) => {
                        *request = unsent;
                        *came = line.next.take();
                        interim = line.overheard.stop();
                    }
                    None => return Err(Failure::Broken(error.into_error())),
                },
                Err(error) => return Err(Failure::Broken(error.into_error())),
            }
        }
    }

    async fn open(&self) -> Result<Box<Line>, Failure> {
        let made = self.connector.http1().await?;
        let place = self.connector.place(made.address);
        let waking = Waking::default();
        let stream = Fresh::new(made.stream, waking.clone());
        let look = stream.look();
        let stream = Faithful::new(stream);
        let (next, overheard) = (stream.next(), stream.overheard());
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(Failure::Broken)?;
        let turns = waking.clone();
        tokio::task::spawn_local(async move {
            let mut connection = pin!(connection.with_upgrades());
            let mut waker = None;
            let driven = poll_fn(|cx| {
                let waker = waker.get_or_insert_with(|| turns.instead_of(cx.waker()));
                turns.turn(|| connection.as_mut().poll(&mut Context::from_waker(waker)))
            });
            // Whoever waits for a response on it is told.
            if let Err(error) = driven.await {
                tracing::debug!(%error, "an upstream connection broke");
            }
        });
        Ok(Box::new(Line { sender, next, look, overheard, waking, place }))
    }

    /// The connection that was used last. `idle_only`: nothing of its last request may be on its way.
    fn take(&self, idle_only: bool) -> Option<Box<Line>> {
        let (mut idle, now) = (self.idle.borrow_mut(), self.deadlines.now());
        while let Some(last) = idle.pop() {
            let is_free = last.line.sender.is_ready() && (!idle_only || last.line.next.is_idle());
            let is_young = now.saturating_duration_since(last.since) < IDLE;
            if is_free && is_young && self.connector.is_current(&last.line.place) {
                // Under load a connection is used again at once, and the runtime looks all the time.
                if last.since < now {
                    last.line.look.again();
                }
                return Some(last.line);
            }
        }
        None
    }

    fn put(&self, line: Box<Line>) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < MOST_IDLE {
            idle.push(Idle { line, since: self.deadlines.now() });
        }
    }

    /// Closes what has been idle for too long.
    pub(super) fn close_idle(&self) {
        let now = self.deadlines.now();
        self.idle.borrow_mut().retain(|i| !i.line.sender.is_closed() && now.saturating_duration_since(i.since) < IDLE);
    }
}

impl Lease {
    /// The head of the response, where [`Pool::send`] was told how the request's came.
    pub(super) fn overheard(&self) -> Vec<u8> {
        self.line.overheard.take()
    }

    /// How the connection's task is woken.
    pub(super) fn waking(&self) -> &Waking {
        &self.line.waking
    }

    /// The exchange is over and the connection free again, or soon will be.
    pub(super) fn give_back(mut self) {
        if self.line.sender.is_ready() {
            self.pool.put(self.line);
        } else if !self.line.sender.is_closed() {
            // The rest of the request may still be going out.
            tokio::task::spawn_local(async move {
                if self.line.sender.ready().await.is_ok() {
                    self.pool.put(self.line);
                }
            });
        }
    }
}
