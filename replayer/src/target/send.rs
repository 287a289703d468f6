//! Sending one shadow request and reading the answer to its end.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::time::{Instant as Deadline, timeout_at};
use umbra_common::dial::DialError;
use umbra_common::ledger::SendFailure;
use umbra_common::unprocessed::{h2_of, is_unprocessed};

use super::connect::{ConnectError, Connections};
use super::shadow::grpc_status;
use super::{Protocol, RecordedBody};
use crate::report::Answer;

/// Why there was no whole answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error(transparent)]
    Connect(ConnectError),
    #[error("{0}{source}", source = source_of(.0))]
    Http(#[source] hyper::Error),
    #[error("no answer began within --response-timeout")]
    NoAnswer,
    #[error("no whole answer within --timeout")]
    Timeout,
}

fn source_of(error: &hyper::Error) -> String {
    std::error::Error::source(error).map_or_else(String::new, |source| format!(": {source}"))
}

impl SendError {
    pub(super) fn kind(&self) -> SendFailure {
        match self {
            Self::Connect(ConnectError::Dial(error)) if matches!(**error, DialError::Handshake { .. }) => {
                SendFailure::Tls
            }
            Self::Connect(ConnectError::NoHttp2) => SendFailure::Tls,
            Self::Connect(ConnectError::Http(error)) => kind_of(error),
            Self::Connect(ConnectError::Dial(_) | ConnectError::Late | ConnectError::Leaving) => SendFailure::Connect,
            Self::NoAnswer => SendFailure::ResponseTimeout,
            Self::Timeout => SendFailure::Timeout,
            Self::Http(error) => kind_of(error),
        }
    }

    /// Whether the target says that it has not looked at the request, which may then be sent again.
    fn is_unprocessed(&self) -> bool {
        matches!(self, Self::Http(error) if is_unprocessed(error))
    }

    /// Whether time was what failed, with the request under way.
    pub(super) fn is_timeout(&self) -> bool {
        matches!(self, Self::NoAnswer | Self::Timeout)
    }
}

fn kind_of(error: &hyper::Error) -> SendFailure {
    if error.is_parse() || is_h2_protocol_error(error) { SendFailure::Protocol } else { SendFailure::Broken }
}

fn is_h2_protocol_error(error: &hyper::Error) -> bool {
    // A reset that the target chose is its answer's end; what this side had to refuse is no HTTP.
    h2_of(error).is_some_and(|h2| h2.is_library() && h2.reason().is_some())
}

/// What is kept of an answer, beside its measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    Nothing,
    Head,
    /// The head and the beginning of the body.
    Body,
}

/// As much of a body is kept: a page with a token in it is no larger.
const KEPT: usize = 1 << 20;

/// A whole answer.
pub(super) struct Reply {
    pub(super) answer: Answer,
    /// Its header section and as much of its body as was to be kept.
    pub(super) kept: Option<(HeaderMap, Bytes)>,
}

/// When the request left, and what came of it.
pub(super) struct Sent {
    /// Nothing where it never left.
    pub(super) at: Option<Instant>,
    pub(super) result: Result<Reply, Unanswered>,
}

/// Why there is no answer, and the request where it never left, or the target has not looked at it.
pub(super) struct Unanswered {
    pub(super) error: SendError,
    pub(super) unsent: Option<Outgoing>,
}

/// Boxed, because it is handed from hand to hand until a connection takes it.
type Outgoing = Box<Request<RecordedBody>>;

impl Unanswered {
    fn after(error: hyper::Error) -> Self {
        Self { error: SendError::Http(error), unsent: None }
    }
}

/// A request that a connection did not take any more, or that the target did not look at, is tried again on another: this
/// many times in all.
const ATTEMPTS: usize = 3;

/// How long a request may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// All of it: the connection and the whole answer included.
    pub(super) whole: Duration,
    /// From its leaving to the head of the answer; no limit of its own where absent.
    pub(super) head: Option<Duration>,
}

/// The same, for one request that is under way.
#[derive(Clone, Copy, Debug)]
struct Until {
    whole: Deadline,
    head: Option<Duration>,
}

/// Sends a request within its limits.
pub(super) async fn send(
    connections: &Connections,
    mut request: Outgoing,
    protocol: Protocol,
    limits: Limits,
    keep: Keep,
) -> Sent {
    let until = Until { whole: Deadline::now() + limits.whole, head: limits.head };
    let mut attempt = 1;
    loop {
        let mut at = None;
        let result = match protocol {
            Protocol::H1 => over_h1(connections, request, until, keep, &mut at).await,
            Protocol::H2 => over_h2(connections, request, until, keep, &mut at).await,
        };
        match result {
            Err(Unanswered {
                error: SendError::Http(_) | SendError::Connect(ConnectError::Leaving),
                unsent: Some(back),
            }) if attempt < ATTEMPTS => {
                request = back;
                attempt += 1;
            }
            Err(Unanswered { error, unsent: unsent @ Some(_) }) => {
                return Sent { at: at.filter(|_| error.is_unprocessed()), result: Err(Unanswered { error, unsent }) };
            }
            result => return Sent { at, result },
        }
    }
}

/// A connection in time, or the request back.
async fn connected<C>(
    connection: impl Future<Output = Result<C, ConnectError>>,
    request: Outgoing,
    until: Until,
) -> Result<(C, Outgoing), Unanswered> {
    let error = match timeout_at(until.whole, connection).await {
        Ok(Ok(connection)) => return Ok((connection, request)),
        Ok(Err(error)) => error,
        Err(_) => ConnectError::Late,
    };
    Err(Unanswered { error: SendError::Connect(error), unsent: Some(request) })
}

/// The answer in time. A target that answers with no more than that it has not looked at the request gives the `copy` back.
async fn answered(
    response: impl Future<Output = Result<Response<Incoming>, TrySendError<Request<RecordedBody>>>>,
    copy: Option<Outgoing>,
    until: Until,
    sent_at: Instant,
    keep: Keep,
) -> Result<Reply, Unanswered> {
    let late = |error| move |_| Unanswered { error, unsent: None };
    let answer = async {
        let response = match until.head {
            None => response.await,
            Some(limit) => tokio::time::timeout(limit, response).await.map_err(late(SendError::NoAnswer))?,
        };
        let response = response.map_err(|mut failed| {
            let unsent = failed.take_message().map(Box::new);
            let error = SendError::Http(failed.into_error());
            let unsent = unsent.or_else(|| copy.filter(|_| error.is_unprocessed()));
            Unanswered { error, unsent }
        })?;
        read(response, sent_at, keep).await.map_err(Unanswered::after)
    };
    timeout_at(until.whole, answer).await.map_err(late(SendError::Timeout))?
}

async fn over_h1(
    connections: &Connections,
    request: Outgoing,
    until: Until,
    keep: Keep,
    at: &mut Option<Instant>,
) -> Result<Reply, Unanswered> {
    let (mut connection, request) = connected(connections.h1(), request, until).await?;
    let sent_at = *at.insert(Instant::now());
    let answer = answered(connection.try_send_request(*request), None, until, sent_at, keep).await?;
    connections.give_back(connection);
    Ok(answer)
}

async fn over_h2(
    connections: &Connections,
    request: Outgoing,
    until: Until,
    keep: Keep,
    at: &mut Option<Instant>,
) -> Result<Reply, Unanswered> {
    let (room, request) = connected(connections.h2(), request, until).await?;
    let copy = Some(request.clone());
    let sent_at = *at.insert(Instant::now());
    let result = answered(room.sender().try_send_request(*request), copy, until, sent_at, keep).await;
    // The dropped future has only reset a stream; the connection may be what does not answer.
    if result.as_ref().is_err_and(|unanswered| unanswered.error.is_timeout()) {
        room.distrust();
    }
    result
}

/// Reads the answer to its end; the bytes are measured, and discarded but for what is to be kept.
async fn read(response: Response<Incoming>, sent_at: Instant, keep: Keep) -> hyper::Result<Reply> {
    let (head, mut body) = response.into_parts();
    let status_of = |fields: &http::HeaderMap| fields.get("grpc-status").and_then(|v| grpc_status(v.as_bytes()));
    let (mut bytes, mut grpc) = (0, status_of(&head.headers));
    let mut start = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame?;
        if let Some(data) = frame.data_ref() {
            bytes += data.len() as u64;
            if keep == Keep::Body {
                start.extend_from_slice(&data[..data.len().min(KEPT - start.len())]);
            }
        } else if let Some(trailers) = frame.trailers_ref() {
            grpc = grpc.or_else(|| status_of(trailers));
        }
    }
    let answer = Answer { status: head.status.as_u16(), grpc, bytes, latency: sent_at.elapsed() };
    Ok(Reply { answer, kept: (keep != Keep::Nothing).then(|| (head.headers, start.freeze())) })
}
