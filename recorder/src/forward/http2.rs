//! HTTP/2 to the upstream: one connection of a worker's own, shared by all of its requests.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::TokioTimer;
use tokio::sync::Notify;

use super::connect::connect;
use super::takes_connect::TakesConnect;
use super::{Failure, RequestBody};
use crate::accept::LocalExecutor;
use crate::config::Upstream;

/// A connection on which nothing comes back is asked for a sign of life this often, and given up as long after.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// What one stream, and all together, may send before it is read here. Nothing stays here: a client that does not read is
/// held back by its own window.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// One worker's connection.
#[derive(Debug)]
pub(super) struct Channel {
    upstream: Upstream,
    state: RefCell<State>,
    changed: Notify,
    connect: Rc<TakesConnect>,
}

#[derive(Debug)]
enum State {
    Closed,
    Connecting,
    Open(SendRequest<RequestBody>),
}

enum Turn {
    Send(SendRequest<RequestBody>),
    Connect,
    Wait,
}

impl Channel {
    pub(super) fn new(upstream: Upstream) -> Rc<Self> {
        Rc::new(Self { upstream, state: RefCell::new(State::Closed), changed: Notify::new(), connect: Rc::default() })
    }

    /// Whether the upstream of an earlier or the present connection takes extended CONNECT.
    pub(super) fn is_known_to_take_connect(&self) -> bool {
        self.connect.is_known()
    }

    /// Makes sure that the upstream takes extended CONNECT.
    pub(super) async fn takes_connect(&self) -> Result<(), Failure> {
        let (_, used) = self.sender().await?;
        if self.connect.is_said(!used).await { Ok(()) } else { Err(Failure::NoTunnel) }
    }

    /// Sends a request as a stream of the connection, which is made where there is none.
    pub(super) async fn send(&self, mut request: Request<RequestBody>) -> Result<Response<Incoming>, Failure> {
        loop {
            let (mut sender, used) = self.sender().await?;
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(mut error) if used => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(Failure::Broken(error.into_error())),
                },
                Err(error) => return Err(Failure::Broken(error.into_error())),
            }
        }
    }

    /// A sender, and whether its connection was there before.
    async fn sender(&self) -> Result<(SendRequest<RequestBody>, bool), Failure> {
        loop {
            let changed = self.changed.notified();
            match self.turn() {
                Turn::Send(sender) => return Ok((sender, true)),
                Turn::Connect => return self.open().await.map(|sender| (sender, false)),
                Turn::Wait => changed.await,
            }
        }
    }

    /// Who finds no connection makes one; who comes while it is made waits.
    fn turn(&self) -> Turn {
        let mut state = self.state.borrow_mut();
        match &*state {
            State::Open(sender) if !sender.is_closed() => Turn::Send(sender.clone()),
            State::Connecting => Turn::Wait,
            State::Open(_) | State::Closed => {
                *state = State::Connecting;
                Turn::Connect
            }
        }
    }

    async fn open(&self) -> Result<SendRequest<RequestBody>, Failure> {
        /// Lets the next one try, also where this one's client went away meanwhile.
        struct Connecting<'a>(&'a Channel, State);
        impl Drop for Connecting<'_> {
            fn drop(&mut self) {
                *self.0.state.borrow_mut() = std::mem::replace(&mut self.1, State::Closed);
                self.0.changed.notify_waiters();
            }
        }
        let mut connecting = Connecting(self, State::Closed);
        let io = connect(&self.upstream).await?;
        let mut builder = Builder::new(LocalExecutor);
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let (sender, connection) = builder.handshake(io).await.map_err(Failure::Broken)?;
        let (takes_connect, mut connection) = (Rc::clone(&self.connect), Box::pin(connection));
        tokio::task::spawn_local(async move {
            let ended = poll_fn(|cx| {
                let polled = connection.as_mut().poll(cx);
                takes_connect.learn(cx, || connection.is_extended_connect_protocol_enabled());
                polled
            });
            if let Err(error) = ended.await {
                tracing::debug!(%error, "an upstream connection broke");
            }
        });
        connecting.1 = State::Open(sender.clone());
        Ok(sender)
    }
}
