//! One client's connection, from its first byte to its last.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::closing::Seat;
use super::executor::LocalExecutor;
use super::pace::{Cut, Pace};
use super::sniff::{Spoken, sniff};
use crate::edge::{Guarded, HeadLimits, LARGEST_HEAD, MOST_FIELDS, Refusal, Watch};
use crate::serve::Client;
use crate::worker::Worker;

/// A request's head has to come within this time, as has the first byte of a connection.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection is kept this long for another request.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// How long a refused client is given to take its answer.
const FAREWELL: Duration = Duration::from_secs(2);

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
            return Poll::Ready(None);
        }
        sniff.as_mut().poll(cx).map(Result::ok)
    })
    .await
}

async fn http1(stream: TcpStream, client: &Rc<Client>, seat: &Seat) {
    let mut builder = http1::Builder::new();
    builder
        // Slow heads and idle connections are seen to by `Pace`.
        .preserve_header_case(true)
        // The guard counts them.
        .max_headers(MOST_FIELDS)
        .max_buf_size(READ_BUFFER);
    let stream = Guarded::new(stream, HeadLimits::default());
    let watch = stream.watch();
    let service = service_fn(|request| {
        // One head for each request that the library makes of it, in order.
        Rc::clone(client).serve_http1(request, watch.take_head().unwrap_or_default())
    });
    let mut connection = builder.serve_connection(TokioIo::new(stream), service);
    let pace = Pace::new(client, &watch);
    let ended = until_closed(Pin::new(&mut connection), seat, http1::Connection::graceful_shutdown, |cx| {
        if watch.refusal().is_some() { Some(Cut::Refused) } else { pace.is_too_slow(cx) }
    });
    match ended.await {
        Ok(Ok(())) | Err(Cut::Idle) => {}
        Ok(Err(error)) => {
            // What passed the guard and is no HTTP to the library; it has answered for itself.
            if error.is_parse() {
                client.refused(Refusal::Malformed);
            }
            tracing::debug!(%error, "a client's connection broke");
        }
        Err(Cut::SlowHead) => {
            client.refused(Refusal::SlowHead);
            say(connection.into_parts().io.into_inner(), Refusal::SlowHead).await;
        }
        Err(Cut::Refused) => {
            let is_owed = || watch.has_head() || client.answers() > 0;
            if watch.is_between_requests() && is_owed() {
                // The requests before a refused one are answered, if their client takes the answers.
                let mut connection = Pin::new(&mut connection);
                let answered = poll_fn(|cx| match connection.as_mut().poll(cx) {
                    Poll::Pending if is_owed() => Poll::Pending,
                    ended => Poll::Ready(ended.is_ready()),
                });
                if let Ok(false) = timeout(HEAD_TIMEOUT, answered).await {
                    connection.as_mut().graceful_shutdown();
                    let _ = timeout(FAREWELL, connection).await;
                }
            }
            let stream = connection.into_parts().io.into_inner();
            refuse(stream, client, &watch).await;
        }
    }
}

/// Says why, where no answer has begun that this would be taken for a part of, and closes.
async fn refuse(stream: Guarded<TcpStream>, client: &Client, watch: &Watch) {
    let Some(refusal) = watch.refusal() else { return };
    if watch.is_between_requests() {
        client.refused(refusal);
    } else {
        // The request that its body belongs to has been seen already.
        client.worker().counters.refused(refusal);
    }
    if !watch.is_answering() {
        say(stream, refusal).await;
    }
}

/// Answers with a refusal, and closes.
async fn say(mut stream: Guarded<TcpStream>, refusal: Refusal) {
    let (status, text) = (refusal.status(), refusal.as_str());
    let body = format!("umbra-recorder: {text}\n");
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let said = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.close().await
    };
    // A client that is gone needs no answer.
    let _ = timeout(FAREWELL, said).await;
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
    let service = service_fn(|request| Rc::clone(client).serve_http2(request));
    let connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = until_closed(connection, seat, http2::Connection::graceful_shutdown, |_| None::<Infallible>);
    if let Ok(Err(error)) = ended.await {
        tracing::debug!(%error, "a client's connection broke");
    }
}

/// Drives a connection, and tells it once when the worker is about to stop. What `cut` says ends it early.
async fn until_closed<C: Future, E>(
    mut connection: Pin<&mut C>,
    seat: &Seat,
    close: impl Fn(Pin<&mut C>),
    cut: impl Fn(&Context<'_>) -> Option<E>,
) -> Result<C::Output, E> {
    let mut told = false;
    poll_fn(|cx| {
        if !told && seat.is_to_close(cx) {
            told = true;
            close(connection.as_mut());
        }
        match connection.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(Ok(ended)),
            Poll::Pending => cut(cx).map_or(Poll::Pending, |why| Poll::Ready(Err(why))),
        }
    })
    .await
}
