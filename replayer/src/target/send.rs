//! Sending one shadow request and reading the answer to its end.

use std::time::{Duration, Instant};

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use umbra_common::ledger::SendFailure;

use super::connect::{ConnectError, Connections};
use super::shadow::grpc_status;
use super::{Protocol, RecordedBody};
use crate::report::Answer;

/// Why there was no whole answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("{0}{source}", source = source_of(.0))]
    Http(#[source] hyper::Error),
    #[error("no whole answer within {} ms", .0.as_millis())]
    Timeout(Duration),
}

fn source_of(error: &hyper::Error) -> String {
    std::error::Error::source(error).map_or_else(String::new, |source| format!(": {source}"))
}

impl SendError {
    pub(super) fn kind(&self) -> SendFailure {
        match self {
            Self::Connect(_) => SendFailure::Connect,
            Self::Timeout(_) => SendFailure::Timeout,
            Self::Http(error) if error.is_parse() || is_h2_protocol_error(error) => SendFailure::Protocol,
            Self::Http(_) => SendFailure::Broken,
        }
    }
}

fn is_h2_protocol_error(error: &hyper::Error) -> bool {
    let Some(h2) = std::error::Error::source(error).and_then(|e| e.downcast_ref::<h2::Error>()) else { return false };
    // A reset that the target chose is its answer's end; what this side had to refuse is no HTTP.
    h2.is_library() && h2.reason().is_some()
}

/// When the request left, and what came of it.
pub(super) struct Sent {
    /// Nothing where no connection could be made.
    pub(super) at: Option<Instant>,
    pub(super) result: Result<Answer, SendError>,
}

/// A request that never left is tried again on another connection: this many times in all.
const ATTEMPTS: usize = 3;

/// Sends a request within `timeout`, the connection and the whole answer included.
pub(super) async fn send(
    connections: &Connections,
    request: Request<RecordedBody>,
    protocol: Protocol,
    timeout: Duration,
) -> Sent {
    let mut at = None;
    let exchange = async {
        match protocol {
            Protocol::H1 => over_h1(connections, request, &mut at).await,
            Protocol::H2 => over_h2(connections, request, &mut at).await,
        }
    };
    let result = match tokio::time::timeout(timeout, exchange).await {
        Ok(result) => result,
        // The dropped future has closed an HTTP/1.1 connection, or reset an HTTP/2 stream.
        Err(_) if at.is_none() => {
            Err(SendError::Connect(ConnectError::new(format_args!("none within {} ms", timeout.as_millis()))))
        }
        Err(_) => {
            if protocol == Protocol::H2 {
                connections.distrust_h2();
            }
            Err(SendError::Timeout(timeout))
        }
    };
    Sent { at, result }
}

async fn over_h1(
    connections: &Connections,
    mut request: Request<RecordedBody>,
    at: &mut Option<Instant>,
) -> Result<Answer, SendError> {
    for _ in 1..ATTEMPTS {
        let mut connection = connections.h1().await?;
        let sent_at = *at.insert(Instant::now());
        match connection.try_send_request(request).await {
            Ok(response) => {
                let answer = read(response, sent_at).await?;
                connections.give_back(connection);
                return Ok(answer);
            }
            Err(mut error) => match error.take_message() {
                Some(unsent) => request = unsent,
                None => return Err(SendError::Http(error.into_error())),
            },
        }
    }
    let mut connection = connections.h1().await?;
    let sent_at = *at.insert(Instant::now());
    let response = connection.send_request(request).await.map_err(SendError::Http)?;
    let answer = read(response, sent_at).await?;
    connections.give_back(connection);
    Ok(answer)
}

async fn over_h2(
    connections: &Connections,
    mut request: Request<RecordedBody>,
    at: &mut Option<Instant>,
) -> Result<Answer, SendError> {
    for _ in 1..ATTEMPTS {
        let mut connection = connections.h2().await?;
        let sent_at = *at.insert(Instant::now());
        match connection.try_send_request(request).await {
            Ok(response) => return read(response, sent_at).await,
            Err(mut error) => match error.take_message() {
                Some(unsent) => request = unsent,
                None => return Err(SendError::Http(error.into_error())),
            },
        }
    }
    let mut connection = connections.h2().await?;
    let sent_at = *at.insert(Instant::now());
    let response = connection.send_request(request).await.map_err(SendError::Http)?;
    read(response, sent_at).await
}

/// Reads the answer to its end; the bytes are measured and discarded.
async fn read(response: Response<Incoming>, sent_at: Instant) -> Result<Answer, SendError> {
    let (head, mut body) = response.into_parts();
    let status_of = |fields: &http::HeaderMap| fields.get("grpc-status").and_then(|v| grpc_status(v.as_bytes()));
    let (mut bytes, mut grpc) = (0, status_of(&head.headers));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(SendError::Http)?;
        if let Some(data) = frame.data_ref() {
            bytes += data.len() as u64;
        } else if let Some(trailers) = frame.trailers_ref() {
            grpc = grpc.or_else(|| status_of(trailers));
        }
    }
    Ok(Answer { status: head.status.as_u16(), grpc, bytes, latency: sent_at.elapsed() })
}
