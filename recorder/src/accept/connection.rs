//! One client's connection, from its first byte to its last.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::StatusCode;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Parting;
use super::closing::Seat;
use super::sniff::{Spoken, sniff};
use super::{http1, http2, proxy_header, tls};
use crate::config::ProxyProtocol;
use crate::serve::Client;
use crate::worker::Worker;

/// How long a client that is turned away is given to take its answer.
pub(super) const FAREWELL: Duration = Duration::from_secs(2);

/// How long a connection on which nothing has come is kept in a drain.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// Serves a connection until either side closes it.
pub(super) async fn serve(mut stream: TcpStream, peer: SocketAddr, seat: Seat, worker: Rc<Worker>) {
    let mut place = match worker.admission.admit() {
        Ok(place) => place,
        Err(full) => return Box::pin(turn_away(stream, &worker, full, worker.edge.proxy_protocol)).await,
    };
    // What cannot be set makes a connection slower, not wrong.
    let _ = stream.set_nodelay(true);
    let Some(addr) = until_told_to_close(&seat, introduction(&mut stream, peer, &worker)).await.flatten() else {
        return;
    };
    if let Err(full) = place.of_client(addr.ip()) {
        return Box::pin(turn_away(stream, &worker, full, ProxyProtocol::Off)).await;
    }
    worker.counters.connections_open.inc();
    let client = Rc::new(Client::new(addr, worker));
    match client.worker().tls.as_ref() {
        None => in_the_clear(stream, &client, &seat).await,
        // In a box of its own: connections without TLS stay as small as they are.
        Some(settings) => Box::pin(through_tls(stream, settings, &client, &seat)).await,
    }
    client.worker().counters.connections_open.dec();
}

async fn in_the_clear(stream: TcpStream, client: &Rc<Client>, seat: &Seat) {
    let first = timeout(client.edge().header_timeout, sniff(&stream));
    match until_told_to_close(seat, first).await {
        Some(Ok(Ok(Spoken::Http1))) => http1::serve(stream, client, seat).await,
        // In a box of its own: HTTP/1 connections stay as small as they are.
        Some(Ok(Ok(Spoken::Http2))) => Box::pin(http2::serve(stream, client, seat)).await,
        // It says nothing.
        Some(Err(_)) => client.worker().counters.parted(Parting::Idle),
        Some(Ok(Ok(Spoken::Nothing) | Err(_))) | None => {}
    }
}

async fn through_tls(stream: TcpStream, settings: &Arc<ServerConfig>, client: &Rc<Client>, seat: &Seat) {
    let limit = tls::HANDSHAKE_TIMEOUT.min(client.edge().header_timeout);
    match until_told_to_close(seat, timeout(limit, tls::handshake(stream, settings))).await {
        Some(Ok(Ok((stream, Spoken::Http2)))) => http2::serve(stream, client, seat).await,
        Some(Ok(Ok((stream, _)))) => http1::serve(stream, client, seat).await,
        Some(failed) => {
            client.worker().counters.tls_handshakes_failed.inc();
            match failed {
                Ok(Err(error)) => tracing::debug!(%error, "a client's TLS handshake failed"),
                _ => client.worker().counters.parted(Parting::Idle),
            }
        }
        None => {}
    }
}

/// Who the client is: as the PROXY protocol says, where that is on.
async fn introduction(stream: &mut TcpStream, peer: SocketAddr, worker: &Worker) -> Option<SocketAddr> {
    let protocol = worker.edge.proxy_protocol;
    if protocol == ProxyProtocol::Off {
        return Some(peer);
    }
    match timeout(worker.edge.header_timeout, proxy_header::read(stream, protocol)).await {
        Ok(Ok(client)) => Some(client.unwrap_or(peer)),
        Ok(Err(error)) => {
            tracing::debug!(%error, %peer, "a connection without a PROXY protocol header");
            worker.counters.parted(Parting::ProxyHeader);
            None
        }
        Err(_) => {
            worker.counters.parted(Parting::ProxyHeader);
            None
        }
    }
}

/// What the future brings; nothing where the worker stops first. A client that has connected has its first request under
/// way, so it is given a little longer.
async fn until_told_to_close<F: Future>(seat: &Seat, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let told = poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if seat.is_to_close(cx) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    match told.await {
        Some(output) => Some(output),
        None => timeout(FIRST_REQUEST, future).await.ok(),
    }
}

/// Answers a connection that has no place with 503, or with GOAWAY, if that does not take long.
async fn turn_away(mut stream: TcpStream, worker: &Worker, why: Parting, proxy_protocol: ProxyProtocol) {
    worker.counters.parted(why);
    // A handshake only to say no would cost more than what is held off, and nothing else is understood there.
    if worker.tls.is_some() {
        return;
    }
    let Some(_leave) = worker.admission.farewell() else { return };
    let said = async {
        if proxy_protocol != ProxyProtocol::Off && proxy_header::read(&mut stream, proxy_protocol).await.is_err() {
            return Ok(());
        }
        match sniff(&stream).await? {
            Spoken::Http1 => {
                let answer = http1::last_words(StatusCode::SERVICE_UNAVAILABLE, "too many connections");
                stream.write_all(answer.as_bytes()).await?;
            }
            Spoken::Http2 => stream.write_all(&http2::turned_away()).await?,
            Spoken::Nothing => return Ok(()),
        }
        stream.shutdown().await?;
        let mut rest = [0; 1024];
        // Bytes that are still coming would otherwise reset what was written.
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    // A client that takes no answer gets none.
    let _ = timeout(FAREWELL, said).await;
}

/// Drives a connection, and tells it once when the worker is about to stop. What `cut` says ends it early.
pub(super) async fn until_closed<C: Future, E>(
    mut connection: Pin<&mut C>,
    seat: &Seat,
    close: impl Fn(Pin<&mut C>),
    cut: impl Fn(&Context<'_>) -> Option<E>,
) -> Result<C::Output, E> {
    let mut told = false;
    poll_fn(|cx| {
        // Before it is told, so that what has come already is read: told at its very beginning, the library would close.
        let mut polled = connection.as_mut().poll(cx);
        if polled.is_pending() && !told && seat.is_to_close(cx) {
            told = true;
            close(connection.as_mut());
            polled = connection.as_mut().poll(cx);
        }
        match polled {
            Poll::Ready(ended) => Poll::Ready(Ok(ended)),
            Poll::Pending => cut(cx).map_or(Poll::Pending, |why| Poll::Ready(Err(why))),
        }
    })
    .await
}
