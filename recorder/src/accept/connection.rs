//! One client's connection, from its first byte to its last.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::closing::Seat;
use super::executor::LocalExecutor;
use super::sniff::{Spoken, sniff};
use crate::edge::{LARGEST_HEAD, MOST_FIELDS, Refusal};
use crate::serve::Client;
use crate::worker::Worker;

/// A request's head has to come within this time; a connection without one is closed after it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// What hyper reads ahead of one connection at most: the largest head, and as much of a body.
const READ_BUFFER: usize = 2 * LARGEST_HEAD;

/// HTTP/2: streams of one connection at once, what each and all may send before it is read, and how often a silent
/// client is asked for a sign of life.
const STREAMS: u32 = 256;
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Serves a connection until either side closes it.
pub(super) async fn serve(stream: TcpStream, addr: SocketAddr, worker: Rc<Worker>) {
    let seat = worker.closing.seat();
    worker.counters.connections_open.inc();
    // What cannot be set makes a connection slower, not wrong.
    let _ = stream.set_nodelay(true);
    let client = Rc::new(Client::new(addr, worker));
    let worker = client.worker();
    match timeout(HEAD_TIMEOUT, first(&stream, &seat)).await {
        Ok(Some(Spoken::Http1)) => http1(stream, &client, &seat).await,
        Ok(Some(Spoken::Http2)) => http2(stream, &client, &seat).await,
        Ok(_) | Err(_) => {}
    }
    worker.counters.connections_open.dec();
}

/// What the client speaks; nothing where it leaves, or the worker stops, before it says so.
async fn first(stream: &TcpStream, seat: &Seat) -> Option<Spoken> {
    let mut sniff = pin!(sniff(stream));
    poll_fn(|cx| {
        if seat.is_to_close(cx) {
            return std::task::Poll::Ready(None);
        }
        sniff.as_mut().poll(cx).map(Result::ok)
    })
    .await
}

async fn http1(stream: TcpStream, client: &Rc<Client>, seat: &Seat) {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .preserve_header_case(true)
        // One more than allowed, so that the edge counts the refusal.
        .max_headers(MOST_FIELDS + 1)
        .max_buf_size(READ_BUFFER);
    let service = service_fn(|request| Rc::clone(client).serve(request));
    let connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = until_closed(connection, seat, http1::Connection::graceful_shutdown).await;
    if let Err(error) = ended {
        // hyper has answered for itself; what it refused counts as a request that was refused.
        if error.is_parse() {
            client.refused(Refusal::Malformed);
        }
        tracing::debug!(%error, "a client's connection broke");
    }
}

async fn http2(stream: TcpStream, client: &Rc<Client>, seat: &Seat) {
    let mut builder = http2::Builder::new(LocalExecutor);
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(LARGEST_HEAD).unwrap_or(u32::MAX));
    let service = service_fn(|request| Rc::clone(client).serve(request));
    let connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    if let Err(error) = until_closed(connection, seat, http2::Connection::graceful_shutdown).await {
        tracing::debug!(%error, "a client's connection broke");
    }
}

/// Drives a connection, and tells it once when the worker is about to stop.
async fn until_closed<C: Future>(mut connection: Pin<&mut C>, seat: &Seat, close: impl Fn(Pin<&mut C>)) -> C::Output {
    let mut told = false;
    poll_fn(|cx| {
        if !told && seat.is_to_close(cx) {
            told = true;
            close(connection.as_mut());
        }
        connection.as_mut().poll(cx)
    })
    .await
}
