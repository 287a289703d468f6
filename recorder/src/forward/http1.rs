//! HTTP/1.1 to the upstream: one worker's idle connections.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};

use super::connect::connect;
use super::{Failure, RequestBody};
use crate::config::Upstream;
use crate::deadlines::Deadlines;

/// An idle connection older than this is not used again. Below the 5 s after which Node.js and uvicorn close theirs, so
/// that a request seldom meets a connection that is just being closed.
const IDLE: Duration = Duration::from_secs(4);

/// More idle connections are not kept.
const MOST_IDLE: usize = 1024;

/// The idle connections of one worker; the last used is used first, so that those not needed grow old.
#[derive(Debug)]
pub(super) struct Pool {
    upstream: Upstream,
    idle: RefCell<Vec<Idle>>,
    deadlines: Rc<Deadlines>,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<RequestBody>,
    since: Instant,
}

/// A connection in use.
#[derive(Debug)]
pub(super) struct Lease {
    pool: Rc<Pool>,
    sender: SendRequest<RequestBody>,
}

impl Pool {
    pub(super) fn new(upstream: Upstream, deadlines: Rc<Deadlines>) -> Rc<Self> {
        Rc::new(Self { upstream, idle: RefCell::default(), deadlines })
    }

    /// Sends a request over a connection that is free, or a new one.
    pub(super) async fn send(
        self: &Rc<Self>,
        mut request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        loop {
            let (mut sender, used) = match self.take() {
                Some(sender) => (sender, true),
                None => (self.open().await?, false),
            };
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, Lease { pool: Rc::clone(self), sender })),
                // It never left: the upstream had closed a connection that seemed free.
                Err(mut error) if used => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(Failure::Broken(error.into_error())),
                },
                Err(error) => return Err(Failure::Broken(error.into_error())),
            }
        }
    }

    async fn open(&self) -> Result<SendRequest<RequestBody>, Failure> {
        let io = connect(&self.upstream).await?;
        let mut builder = Builder::new();
        builder.preserve_header_case(true);
        let (sender, connection) = builder.handshake(io).await.map_err(Failure::Broken)?;
        tokio::task::spawn_local(async move {
            // Whoever waits for a response on it is told.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an upstream connection broke");
            }
        });
        Ok(sender)
    }

    fn take(&self) -> Option<SendRequest<RequestBody>> {
        let (mut idle, now) = (self.idle.borrow_mut(), self.deadlines.now());
        while let Some(last) = idle.pop() {
            if last.sender.is_ready() && now.saturating_duration_since(last.since) < IDLE {
                return Some(last.sender);
            }
        }
        None
    }

    fn put(&self, sender: SendRequest<RequestBody>) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < MOST_IDLE {
            idle.push(Idle { sender, since: self.deadlines.now() });
        }
    }

    /// Closes what has been idle for too long.
    pub(super) fn close_idle(&self) {
        let now = self.deadlines.now();
        self.idle.borrow_mut().retain(|i| !i.sender.is_closed() && now.saturating_duration_since(i.since) < IDLE);
    }
}

impl Lease {
    /// The exchange is over and the connection free again, or soon will be.
    pub(super) fn give_back(mut self) {
        if self.sender.is_ready() {
            self.pool.put(self.sender);
        } else if !self.sender.is_closed() {
            // The rest of the request may still be going out.
            tokio::task::spawn_local(async move {
                if self.sender.ready().await.is_ok() {
                    self.pool.put(self.sender);
                }
            });
        }
    }
}
