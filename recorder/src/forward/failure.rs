//! Why the upstream gave no answer, and what the client is told instead.

use std::io;

use http::StatusCode;
use umbra_common::exchange::Ending;

use crate::answer::GrpcStatus;

/// Why there is no response from the upstream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It takes no connection.
    #[error("cannot connect to the upstream: {0}")]
    Connect(io::Error),
    /// It takes no connection in time.
    #[error("the upstream took no connection in time")]
    ConnectTimeout,
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
    pub(crate) const KINDS: [&str; 7] =
        ["connect", "connect_timeout", "broken", "response_timeout", "target", "no_tunnel", "switched"];

    /// The place in [`KINDS`](Self::KINDS).
    pub(crate) fn kind(&self) -> usize {
        match self {
            Self::Connect(_) => 0,
            Self::ConnectTimeout => 1,
            Self::Broken(_) => 2,
            Self::ResponseTimeout => 3,
            Self::Target(_) => 4,
            Self::NoTunnel => 5,
            Self::Switched => 6,
        }
    }

    /// What the client is told.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Connect(_) | Self::Broken(_) | Self::Switched => StatusCode::BAD_GATEWAY,
            Self::ConnectTimeout | Self::ResponseTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Target(_) => StatusCode::BAD_REQUEST,
            Self::NoTunnel => StatusCode::NOT_IMPLEMENTED,
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
        match self {
            Self::ConnectTimeout | Self::ResponseTimeout => Ending::Timeout,
            Self::Connect(_) | Self::Broken(_) | Self::Target(_) | Self::NoTunnel | Self::Switched => {
                Ending::UpstreamError
            }
        }
    }
}
