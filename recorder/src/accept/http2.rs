//! HTTP/2 connections: the watch over their frames, and their time limits.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::Parting;
use super::closing::Seat;
use super::connection::{FAREWELL, until_closed};
use super::executor::Streams;
use super::metered::{Meter, Metered};
use crate::deadlines::Deadline;
use crate::edge::{ErrorScope, Flood, FrameWatch, Framed, Refusal, Refused};
use crate::pulse::Pulse;
use crate::serve::Client;

/// What one stream, and all of a connection, may send before it is read; and how often a silent client is asked for a sign
/// of life.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How much of a stream's response waits here for a client that does not take it.
const SEND_BUFFER: usize = 256 << 10;

/// Streams that a client resets before anybody has seen them; and those that we reset for its errors.
const UNSEEN_RESETS: usize = 20;
const ERROR_RESETS: usize = 256;

/// RFC 9113, 6.5.2: each field of a header list counts 32 bytes more than it has.
const FIELD_OVERHEAD: usize = 32;

/// Beyond the limit there is room, so that a head over the limit is refused, and counted, here and not in the library.
const OVER_LIMIT: usize = 16 << 10;

/// RFC 9113, 7.
const ENHANCE_YOUR_CALM: u8 = 11;
const PROTOCOL_ERROR: u8 = 1;
const NO_ERROR: u8 = 0;

/// Serves a connection until either side closes it.
pub(super) async fn serve<S>(stream: S, client: &Rc<Client>, seat: &Seat)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let worker = client.worker();
    worker.counters.http2.inc();
    let edge = client.edge();
    let list = edge.max_header_size.as_usize() + FIELD_OVERHEAD * edge.max_headers + OVER_LIMIT;
    let streams = Streams::new(Arc::clone(&worker.counters));
    let mut builder = http2::Builder::new(streams.clone());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .max_concurrent_streams(edge.max_streams)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(UNSEEN_RESETS)
        .max_local_error_reset_streams(ERROR_RESETS)
        .max_header_list_size(u32::try_from(list).unwrap_or(u32::MAX));
    if worker.way.takes_connect() {
        builder.enable_connect_protocol();
    }
    let stream = Metered::new(stream);
    let meter = stream.meter();
    let refuser = Rc::clone(client);
    let (stream, watch) = Framed::new(stream, list, &worker.deadlines, move |refused| match refused {
        Refused::HeadTooLarge => refuser.refused(Refusal::HeadTooLarge),
        Refused::Error(error) => {
            refuser.worker().counters.http2_error(error.scope == ErrorScope::Connection, error.code);
        }
    });
    let sent = watch.sent();
    let service = service_fn(|request| {
        let pulse = Pulse::new(&worker.deadlines, edge, &sent);
        streams.announce(Rc::clone(&pulse));
        // In a box: the library and the runtime move what drives a stream from hand to hand.
        Box::pin(Rc::clone(client).serve_http2(request, pulse))
    });
    let cut = {
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let pace = Pace::new(client, meter, &watch);
        let ended =
            until_closed(connection.as_mut(), seat, http2::Connection::graceful_shutdown, |cx| pace.parting(cx));
        let why = match ended.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a client's connection broke");
                return;
            }
            Err(why) => why,
        };
        worker.counters.parted(why);
        if why == Parting::Idle {
            // A request that is just under way is still answered, if its client goes on at once.
            connection.as_mut().graceful_shutdown();
            let _ = timeout(FAREWELL, connection).await;
            return;
        }
        why
    };
    tracing::debug!(reason = cut.as_str(), "an HTTP/2 connection is ended");
    if let Some((mut stream, last)) = watch.into_stream() {
        let code = if cut == Parting::NoSettings { PROTOCOL_ERROR } else { ENHANCE_YOUR_CALM };
        let said = async {
            stream.write_all(&goaway(last, code)).await?;
            stream.shutdown().await?;
            let mut rest = [0; 4096];
            while stream.read(&mut rest).await? > 0 {}
            std::io::Result::Ok(())
        };
        // A client that is gone needs no goodbye.
        let _ = timeout(FAREWELL, said).await;
    }
}

/// What a client is told that finds no place: no request of its was looked at, all may be sent again elsewhere.
pub(super) fn turned_away() -> Vec<u8> {
    // A connection begins with SETTINGS (RFC 9113, 3.4).
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    [&settings[..], &goaway(0, NO_ERROR)].concat()
}

/// RFC 9113, 6.8.
fn goaway(last_stream: u32, code: u8) -> [u8; 17] {
    let [a, b, c, d] = last_stream.to_be_bytes();
    [0, 0, 8, 7, 0, 0, 0, 0, 0, a, b, c, d, 0, 0, 0, code]
}

/// The limit that one connection is under; each stream of it has one of its own.
#[derive(Debug)]
struct Pace<'a, S> {
    client: &'a Rc<Client>,
    meter: Arc<Meter>,
    watch: &'a FrameWatch<S>,
    deadline: Deadline,
    now: Cell<Doing>,
    /// What had passed when the limit was set.
    moved: Cell<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Streams are open.
    Serving,
    /// The client takes nothing.
    Taking,
    /// A header block has begun.
    Head,
    /// Nothing.
    Nothing,
}

impl<'a, S> Pace<'a, S> {
    fn new(client: &'a Rc<Client>, meter: Arc<Meter>, watch: &'a FrameWatch<S>) -> Self {
        let deadline = client.worker().deadlines.limit();
        deadline.set(Some(client.edge().idle_timeout));
        Self { client, meter, watch, deadline, now: Cell::new(Doing::Nothing), moved: Cell::new(0) }
    }

    fn doing(&self) -> Doing {
        if self.meter.is_blocked() {
            Doing::Taking
        } else if self.watch.is_in_block() {
            Doing::Head
        } else if self.client.answers() > 0 {
            Doing::Serving
        } else {
            Doing::Nothing
        }
    }

    /// To be asked whenever the connection has been polled.
    fn parting(&self, cx: &Context<'_>) -> Option<Parting> {
        match self.watch.flood() {
            Some(Flood::Control) => return Some(Parting::Flood),
            Some(Flood::Resets) => return Some(Parting::Resets),
            Some(Flood::Block) => return Some(Parting::HeadTooLarge),
            Some(Flood::NoSettings) => return Some(Parting::NoSettings),
            None => {}
        }
        let doing = self.doing();
        if self.now.replace(doing) != doing {
            self.restart(doing);
        }
        let parting = match doing {
            Doing::Serving => return None,
            Doing::Taking => Parting::SlowReader,
            Doing::Head => Parting::SlowHead,
            Doing::Nothing => Parting::Idle,
        };
        if !self.deadline.has_passed(cx) {
            return None;
        }
        if doing != Doing::Head && self.moves(doing) != self.moved.get() {
            self.restart(doing);
            // Asks to be woken; it has just been set to later.
            self.deadline.has_passed(cx);
            return None;
        }
        Some(parting)
    }

    /// What must move for a connection to be kept: without a stream, data that is still being sent. A PING is not enough.
    fn moves(&self, doing: Doing) -> u64 {
        if doing == Doing::Nothing { self.watch.sent().get() } else { self.meter.moved() }
    }

    fn restart(&self, doing: Doing) {
        self.moved.set(self.moves(doing));
        let edge = self.client.edge();
        self.deadline.set(match doing {
            Doing::Serving => None,
            Doing::Taking => Some(edge.body_timeout),
            Doing::Head => Some(edge.header_timeout),
            Doing::Nothing => Some(edge.idle_timeout),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goodbye_is_a_whole_frame() {
        assert_eq!(goaway(0x0102_0304, 11), [0, 0, 8, 7, 0, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 11]);
        assert_eq!(turned_away().len(), 9 + 17);
    }
}
