//! One HTTP/2 connection to the upstream.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::time::{Duration, Instant};

use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Notify;
use tokio::time::timeout;
use umbra_common::dial::Connection;

use super::again::Outgoing;
use super::heard::Heard;
use crate::accept::LocalExecutor;
use crate::forward::Failure;
use crate::forward::connect::{Connector, Place};

/// A connection with streams on which nothing comes is asked for a sign of life after this time, and given up as long
/// after. Below 5 minutes gRPC servers take it for abuse (`too_many_pings`); a dead host is noticed by TCP's own
/// keep-alive, long before.
const PING_AFTER: Duration = Duration::from_secs(5 * 60 + 10);
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// What one stream, and all together, may send before it is read here. Nothing stays here: a client that does not read is
/// held back by its own window.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// The largest head of a response: larger than any that HTTP/1 servers send by default.
const LARGEST_HEAD: u32 = 256 << 10;

/// A connection.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) sender: SendRequest<Outgoing>,
    place: Place,
    /// How many streams the upstream takes at once.
    most: Rc<Cell<usize>>,
    streams: Stream,
    /// Since when it has had no stream, as far as anybody looked.
    idle_since: Cell<Option<Instant>>,
    since: Instant,
}

/// A stream under way: held from the request to the end of the response.
#[derive(Clone, Debug)]
pub(in crate::forward) struct Stream(Rc<()>);

impl Line {
    /// Starts HTTP/2 on a connection, and waits for the upstream's own start: how many streams it takes is not guessed.
    /// Says in `takes_connect` whether it takes extended CONNECT.
    pub(super) async fn start(
        made: Connection,
        connector: &Connector,
        takes_connect: Rc<Cell<bool>>,
    ) -> Result<Self, Failure> {
        let mut builder = Builder::new(LocalExecutor);
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_AFTER)
            .keep_alive_timeout(PONG_WITHIN)
            .initial_max_send_streams(0)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(LARGEST_HEAD);
        let place = connector.place(made.address);
        let stream = Heard::new(made.stream);
        let ear = stream.ear();
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(Failure::Broken)?;
        let (most, started) = (Rc::new(Cell::new(0)), Rc::new(Notify::new()));
        let (said, starts, mut connection) = (Rc::clone(&most), Rc::clone(&started), Box::pin(connection));
        tokio::task::spawn_local(async move {
            let ended = poll_fn(|cx| {
                let polled = connection.as_mut().poll(cx);
                let now = connection.current_max_send_streams();
                let before = said.replace(now);
                if now == 0 {
                    ear.listen(cx);
                } else if before == 0 {
                    takes_connect.set(connection.is_extended_connect_protocol_enabled());
                    ear.is_content();
                    starts.notify_one();
                }
                polled
            });
            if let Err(error) = ended.await {
                tracing::debug!(%error, "an upstream connection broke");
            }
            starts.notify_one();
        });
        if timeout(connector.limit(), started.notified()).await.is_err() {
            return Err(connector.no_start(made.address));
        }
        Ok(Self {
            sender,
            place,
            most,
            streams: Stream(Rc::default()),
            idle_since: Cell::new(None),
            since: Instant::now(),
        })
    }

    /// Whether it takes requests at all.
    pub(super) fn is_open(&self, connector: &Connector) -> bool {
        !self.sender.is_closed() && connector.is_current(&self.place)
    }

    pub(super) fn streams(&self) -> usize {
        Rc::strong_count(&self.streams.0) - 1
    }

    /// Whether the upstream takes one more stream.
    pub(super) fn has_room(&self) -> bool {
        self.streams() < self.most.get()
    }

    /// One more stream.
    pub(super) fn stream(&self) -> Stream {
        self.streams.clone()
    }

    pub(super) fn is_older_than(&self, age: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= age
    }

    /// Whether it has had no stream for so long.
    pub(super) fn is_idle_for(&self, time: Duration, now: Instant) -> bool {
        if self.streams() > 0 {
            self.idle_since.set(None);
            return false;
        }
        let since = self.idle_since.get().unwrap_or(now);
        self.idle_since.set(Some(since));
        now.saturating_duration_since(since) >= time
    }
}
