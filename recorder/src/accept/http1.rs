//! HTTP/1 connections: the guard in their stream, and their time limits.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::Parting;
use super::closing::Seat;
use super::connection::{FAREWELL, until_closed};
use super::metered::Metered;
use super::pace::{Cut, Pace};
use crate::edge::{Guarded, HeadLimits, Refusal, Watch};
use crate::serve::Client;

/// Requests before a refused one are answered for so long.
const ANSWERS: Duration = Duration::from_secs(30);

/// The least that the HTTP library takes as a limit of its buffer.
const LEAST_BUFFER: usize = 8 << 10;

/// Serves a connection until either side closes it.
pub(super) async fn serve<S>(stream: S, client: &Rc<Client>, seat: &Seat)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    client.worker().counters.http1.inc();
    let limits = HeadLimits::of(client.edge());
    let mut builder = http1::Builder::new();
    builder
        // Slow clients are seen to by `Pace`; the guard counts fields, and keeps the head as it came.
        .max_headers(limits.fields)
        // What is read ahead of one connection at most: the largest head, and as much of a body.
        .max_buf_size((2 * limits.head).max(LEAST_BUFFER));
    let stream = Metered::new(stream);
    let meter = stream.meter();
    let stream = Guarded::new(stream, limits);
    let watch = stream.watch();
    let service = service_fn(|request: Request<Incoming>| {
        let (parts, body) = request.into_parts();
        // One head for each request that the library makes of it, in order.
        // The library keeps room for the future between requests too: that of a box.
        Box::pin(Rc::clone(client).serve_http1(Box::new(parts), body, watch.take()))
    });
    let mut connection = builder.serve_connection(TokioIo::new(stream), service);
    let pace = Pace::new(client, &watch, meter);
    let ended = until_closed(Pin::new(&mut connection), seat, http1::Connection::graceful_shutdown, |cx| pace.cut(cx));
    let cut = match ended.await {
        Ok(Ok(())) => {
            let parts = connection.into_parts();
            return Box::pin(client.tunnel(parts.io.into_inner(), &parts.read_buf)).await;
        }
        Ok(Err(error)) => {
            // What passed the guard and is no HTTP to the library; it has answered for itself.
            if error.is_parse() {
                client.refused(Refusal::Malformed);
            }
            tracing::debug!(%error, "a client's connection broke");
            return;
        }
        Err(cut) => cut,
    };
    let counters = &client.worker().counters;
    match cut {
        Cut::Idle => counters.parted(Parting::Idle),
        Cut::SlowReader => counters.parted(Parting::SlowReader),
        Cut::Silent => counters.parted(Parting::Silent),
        Cut::SlowHead => {
            client.refused(Refusal::SlowHead);
            say(connection.into_parts().io.into_inner(), Refusal::SlowHead).await;
        }
        Cut::SlowBody => {
            // The request that it belongs to has been seen already.
            counters.refused(Refusal::SlowBody);
            let stream = connection.into_parts().io.into_inner();
            if !watch.is_answering() {
                say(stream, Refusal::SlowBody).await;
            }
        }
        Cut::Refused => {
            let is_owed = || watch.has_head() || client.answers() > 0;
            if watch.is_between_requests() && is_owed() {
                // The requests before a refused one are answered, if their client takes the answers.
                let mut connection = Pin::new(&mut connection);
                let answered = poll_fn(|cx| match connection.as_mut().poll(cx) {
                    Poll::Pending if is_owed() => Poll::Pending,
                    ended => Poll::Ready(ended.is_ready()),
                });
                if let Ok(false) = timeout(ANSWERS, answered).await {
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
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(stream: Guarded<S>, client: &Client, watch: &Watch) {
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
async fn say<S: AsyncRead + AsyncWrite + Unpin>(mut stream: Guarded<S>, refusal: Refusal) {
    let answer = last_words(refusal.status(), refusal.as_str());
    let said = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.close().await
    };
    // A client that is gone needs no answer. In a box, so that connections have no room for what few of them come to.
    let _ = timeout(FAREWELL, Box::pin(said)).await;
}

/// A whole response, and the last of its connection.
pub(super) fn last_words(status: http::StatusCode, text: &str) -> String {
    let body = format!("umbra-recorder: {text}\n");
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}
