//! HTTP/2 to the upstream: as few connections as its limit of streams allows, shared by all requests of one worker.

mod again;
mod heard;
mod line;

pub(super) use line::Stream;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use tokio::sync::Notify;
use umbra_common::dial::DialError;
use umbra_common::unprocessed::is_unprocessed;

use super::connect::Connector;
use super::{Failure, RequestBody};
use crate::metrics::Meter;
use again::{Outgoing, Spare};
use line::Line;

/// More connections of one worker are not made; then requests wait for streams to end.
const MOST_LINES: usize = 32;

/// A connection more than needed is closed when it has had no stream for so long.
const SURPLUS: Duration = Duration::from_secs(30);

/// Where a further connection was refused, the next one is tried after so long; those that are there take the requests.
const PAUSE: Duration = Duration::from_secs(1);

/// An upstream that did not agree to HTTP/2 is asked again after so long: it may be another release by then.
const DECLINED: Duration = Duration::from_secs(60);

/// A request that no connection has taken, or that nobody has looked at, is tried so often: connections may be ending one after
/// the other.
const MOST_TRIES: usize = 4;

/// One worker's connections.
#[derive(Debug)]
pub(super) struct Channel {
    connector: Rc<Connector>,
    lines: RefCell<Vec<Line>>,
    /// A connection is being made, by the attempt of this number.
    connecting: Cell<bool>,
    attempt: Cell<u64>,
    /// The last attempt that failed, and why: everyone who waited for it is told.
    failed: RefCell<Option<(u64, Arc<DialError>)>>,
    not_before: Cell<Option<Instant>>,
    declined_until: Cell<Option<Instant>>,
    changed: Notify,
    /// Whether the upstream has said that it takes extended CONNECT (RFC 8441, 3).
    takes_connect: Rc<Cell<bool>>,
    meter: Arc<Meter>,
}

/// A place for a request: a sender, and the stream that it stands for.
type Slot = (SendRequest<Outgoing>, Stream);

enum Turn {
    Send(Slot),
    Connect,
    Wait(u64),
    Declined,
}

impl Channel {
    pub(super) fn new(connector: Rc<Connector>, meter: Arc<Meter>) -> Rc<Self> {
        Rc::new(Self {
            connector,
            lines: RefCell::default(),
            connecting: Cell::new(false),
            attempt: Cell::new(0),
            failed: RefCell::default(),
            not_before: Cell::new(None),
            declined_until: Cell::new(None),
            changed: Notify::new(),
            takes_connect: Rc::default(),
            meter,
        })
    }

    /// Whether the upstream of an earlier or the present connection takes extended CONNECT.
    pub(super) fn is_known_to_take_connect(&self) -> bool {
        self.takes_connect.get()
    }

    /// Makes sure that the upstream takes extended CONNECT, which it says at the start of a connection.
    pub(super) async fn takes_connect(&self) -> Result<(), Failure> {
        self.slot().await?;
        if self.takes_connect.get() { Ok(()) } else { Err(Failure::NoTunnel) }
    }

    /// Whether the upstream speaks HTTP/2, which TLS agrees on with a connection.
    pub(super) async fn is_spoken(&self) -> Result<bool, Failure> {
        match self.slot().await {
            Ok(_) => Ok(true),
            Err(Failure::NoHttp2) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Sends a request as a stream of a connection that has room.
    pub(super) async fn send(
        &self,
        request: Box<Request<RequestBody>>,
    ) -> Result<(Response<Incoming>, Stream), Failure> {
        let mut request = Box::new(request.map(Outgoing::new));
        let spare = Spare::of(&request);
        let mut tries = 1;
        loop {
            let (mut sender, stream) = self.slot().await?;
            let mut error = match sender.try_send_request(*request).await {
                Ok(response) => return Ok((response, stream)),
                Err(error) => error,
            };
            // What it gives back never left: the connection was just ending.
            let (unsent, error) = (error.take_message(), error.into_error());
            let back = match unsent {
                _ if tries == MOST_TRIES => None,
                None => self.once_more(&error, &spare),
                unsent => unsent,
            };
            let Some(back) = back else { return Err(Failure::Broken(error)) };
            (request, tries) = (Box::new(back), tries + 1);
        }
    }

    /// A request that an attempt failed with, where the upstream has not looked at it.
    fn once_more(&self, error: &hyper::Error, spare: &Spare) -> Option<Request<Outgoing>> {
        let again = is_unprocessed(error).then(|| spare.again()).flatten();
        again.inspect(|_| self.meter.sent_again())
    }

    /// A place for a request.
    async fn slot(&self) -> Result<Slot, Failure> {
        loop {
            let changed = self.changed.notified();
            match self.turn(Instant::now()) {
                Turn::Send(slot) => return Ok(slot),
                Turn::Declined => return Err(Failure::NoHttp2),
                // Where it fails, the connections that are there take it, although they are full.
                Turn::Connect => {
                    return Box::pin(self.open()).await.or_else(|failure| self.least_busy().ok_or(failure));
                }
                Turn::Wait(attempt) => {
                    changed.await;
                    if let Some(error) = self.failure_of(attempt) {
                        return self.least_busy().ok_or(Failure::Connect(error));
                    }
                }
            }
        }
    }

    /// Who finds no room makes a connection; who comes while it is made waits for it.
    fn turn(&self, now: Instant) -> Turn {
        let mut lines = self.lines.borrow_mut();
        // Streams of a connection that takes no more of them go on without it being here.
        lines.retain(|line| line.is_open(&self.connector));
        if let Some(line) = lines.iter().find(|line| line.has_room()) {
            return Turn::Send((line.sender.clone(), line.stream()));
        }
        if self.connecting.get() {
            return Turn::Wait(self.attempt.get());
        }
        let is_soon = |until: &Cell<Option<Instant>>| until.get().is_some_and(|until| now < until);
        if lines.is_empty() {
            if is_soon(&self.declined_until) {
                return Turn::Declined;
            }
        } else if lines.len() >= MOST_LINES || is_soon(&self.not_before) {
            drop(lines);
            if let Some(slot) = self.least_busy() {
                return Turn::Send(slot);
            }
        }
        self.connecting.set(true);
        self.attempt.set(self.attempt.get() + 1);
        Turn::Connect
    }

    fn least_busy(&self) -> Option<Slot> {
        let lines = self.lines.borrow();
        let line = lines.iter().filter(|line| !line.sender.is_closed()).min_by_key(|line| line.streams())?;
        Some((line.sender.clone(), line.stream()))
    }

    fn failure_of(&self, attempt: u64) -> Option<Arc<DialError>> {
        let failed = self.failed.borrow();
        failed.as_ref().filter(|(number, _)| *number == attempt).map(|(_, error)| Arc::clone(error))
    }

    async fn open(&self) -> Result<Slot, Failure> {
        /// Lets the others go on, also where this one's client went away meanwhile.
        struct Connecting<'a>(&'a Channel);
        impl Drop for Connecting<'_> {
            fn drop(&mut self) {
                self.0.connecting.set(false);
                self.0.changed.notify_waiters();
            }
        }
        let _connecting = Connecting(self);
        let opened = self.line().await;
        match opened {
            Ok(line) => {
                let slot = (line.sender.clone(), line.stream());
                self.lines.borrow_mut().push(line);
                Ok(slot)
            }
            Err(failure) => {
                self.not_before.set(Some(Instant::now() + PAUSE));
                if let Failure::Connect(error) = &failure {
                    *self.failed.borrow_mut() = Some((self.attempt.get(), Arc::clone(error)));
                }
                Err(failure)
            }
        }
    }

    async fn line(&self) -> Result<Line, Failure> {
        match self.connector.http2().await? {
            Some(made) => Line::start(made, &self.connector, Rc::clone(&self.takes_connect)).await,
            None => {
                self.declined_until.set(Some(Instant::now() + DECLINED));
                Err(Failure::NoHttp2)
            }
        }
    }

    /// A response did not come in this time: later requests go by new connections, in case that the upstream is gone without
    /// a word. Streams that are under way stay where they are, and so does a connection too young to be the one.
    pub(super) fn distrust(&self, time: Duration) {
        let now = Instant::now();
        self.lines.borrow_mut().retain(|line| !line.is_older_than(time, now));
    }

    /// Closes connections that are no longer needed.
    pub(super) fn close_surplus(&self, now: Instant) {
        let mut lines = self.lines.borrow_mut();
        let mut first = true;
        lines.retain(|line| {
            line.is_open(&self.connector) && (std::mem::take(&mut first) || !line.is_idle_for(SURPLUS, now))
        });
    }
}
