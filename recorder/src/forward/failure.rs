//! Why the upstream gave no answer, and what the client is told instead.

use std::sync::Arc;

use http::StatusCode;
use umbra_common::dial::DialError;
use umbra_common::exchange::Ending;

use crate::answer::GrpcStatus;

/// Why there is no response from the upstream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// There is no connection to it.
    #[error("no connection to the upstream: {0}")]
    Connect(Arc<DialError>),
    /// It has agreed to HTTP/1.1 alone, by which a gRPC call cannot go.
    #[error("the upstream does not agree to HTTP/2")]
    NoHttp2,
    /// It broke off, or sent what is no HTTP.
    #[error("the upstream broke off: {0}")]
    Broken(hyper::Error),
    /// It sent no response head in time.
    #[error("the upstream sent no response in time")]
    ResponseTimeout,
    /// The request cannot be written in the upstream's protocol.
    #[error("the request has no form in the upstream's protocol: {0}")]
    Target(http::Error),
    /// The upstream takes no tunnel of the kind that is asked for.
    #[error("the upstream takes no tunnel of this kind")]
    NoTunnel,
    /// It changed the protocol where nobody asked for that, or to another one.
    #[error("the upstream changed to a protocol that was not asked for")]
    Switched,
}

impl Failure {
    /// Every kind's word in metrics, each once.
    pub(crate) const KINDS: [&str; 10] = [
        "connect",
        "connect_timeout",
        "name",
        "tls",
        "no_http2",
        "broken",
        "response_timeout",
        "target",
        "no_tunnel",
        "switched",
    ];

    /// The place in [`KINDS`](Self::KINDS).
    pub(crate) fn kind(&self) -> usize {
        match self {
            Self::Connect(error) => match &**error {
                error if error.is_timeout() => 1,
                DialError::Name(_) => 2,
                DialError::Handshake { .. } => 3,
                _ => 0,
            },
            Self::NoHttp2 => 4,
            Self::Broken(_) => 5,
            Self::ResponseTimeout => 6,
            Self::Target(_) => 7,
            Self::NoTunnel => 8,
            Self::Switched => 9,
        }
    }

    /// What the client is told.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            _ if self.is_timeout() => StatusCode::GATEWAY_TIMEOUT,
            Self::Target(_) => StatusCode::BAD_REQUEST,
            Self::NoTunnel => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::BAD_GATEWAY,
        }
    }

    /// What a gRPC client is told (the gRPC specification's mapping of 502, 503 and 504).
    pub(crate) fn grpc_status(&self) -> GrpcStatus {
        match self {
            Self::Target(_) => GrpcStatus::Internal,
            _ => GrpcStatus::Unavailable,
        }
    }

    /// How it is recorded.
    pub(crate) fn ending(&self) -> Ending {
        if self.is_timeout() { Ending::Timeout } else { Ending::UpstreamError }
    }

    fn is_timeout(&self) -> bool {
        match self {
            Self::Connect(error) => error.is_timeout(),
            Self::ResponseTimeout => true,
            _ => false,
        }
    }
}
