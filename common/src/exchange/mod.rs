//! The exchange: one request with, where recorded, its response. The unit of everything.

mod fields;
mod footprint;
mod http;
mod id;

pub use fields::Fields;
pub use footprint::allocated;
pub use http::{Ending, HttpVersion, Scheme};
pub use id::{ExchangeId, IdParseError, IdSource};

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::fraction::Fraction;
use crate::time::Timestamp;

/// One request as it arrived and, where recorded, its response.
///
/// `B` are its byte strings and `S` the names of the two ends: shared, or borrowed from where they lie for as long as it takes to write a
/// record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange<B = Bytes, S = Arc<str>> {
    /// Time-ordered, unique over recorders.
    pub id: ExchangeId,
    /// When the request's head had arrived, in nanoseconds since the epoch.
    pub arrival: Timestamp,
    /// The client's address, where it was known and not redacted.
    pub client: Option<SocketAddr>,
    /// The request before the proxy edited anything.
    pub request: Request<B>,
    /// What groups requests of one client: a keyed digest, never the secret it came from. Empty where there is none.
    pub session: B,
    /// The fraction this exchange was sampled at: one record stands for `1 / fraction` requests.
    pub sampled_at: Fraction,
    /// The upstream that the request went to, as configured.
    pub upstream: S,
    /// The recorder instance that took it.
    pub recorder: S,
    /// How the exchange ended.
    pub ending: Ending,
    /// From arrival to the end of the exchange (or to the moment it was recorded unfinished).
    pub total: Duration,
    /// What the client was answered, unless responses are not recorded or there was none.
    pub response: Option<Response<B>>,
}

/// A request as received: nothing joined, re-ordered or normalised but field names, which are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<B = Bytes> {
    /// The method token.
    pub method: B,
    /// The request target in the form it came in: origin-, absolute-, authority- or asterisk-form (RFC 9112, 3.2).
    pub target: B,
    /// The protocol version it came in.
    pub version: HttpVersion,
    /// The scheme the client used.
    pub scheme: Scheme,
    /// `Host` or `:authority`, as received.
    pub authority: B,
    /// The header section, in order.
    pub headers: Fields,
    /// The body, up to the recorder's limit.
    pub body: Body<B>,
    /// The trailer section, in order.
    pub trailers: Fields,
}

/// The response that the client was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response<B = Bytes> {
    /// The status code.
    pub status: u16,
    /// The header section as the upstream sent it, in order.
    pub headers: Fields,
    /// The body, where bodies are recorded; its true length in any case.
    pub body: Body<B>,
    /// The trailer section, in order.
    pub trailers: Fields,
    /// From arrival to the response's head.
    pub first_byte: Duration,
}

/// A recorded body: the bytes that were kept, and how many there really were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body<B = Bytes> {
    /// What was kept: the whole body or, where [`truncated`](Self::truncated), its beginning.
    pub bytes: B,
    /// The length that passed through, in bytes.
    pub length: u64,
    /// The body was longer than what was kept, or its end never came.
    pub truncated: bool,
}

impl<B: AsRef<[u8]>> Body<B> {
    /// A body that was kept whole.
    pub fn whole(bytes: impl Into<B>) -> Self {
        let bytes = bytes.into();
        Self { length: bytes.as_ref().len() as u64, bytes, truncated: false }
    }
}

impl Request {
    /// Whether this is a gRPC call: `application/grpc` with or without a suffix or parameters.
    pub fn is_grpc(&self) -> bool {
        self.headers.get("content-type").is_some_and(is_grpc_content_type)
    }

    /// The path of the target without its query; the whole target where it has no path.
    pub fn path(&self) -> &[u8] {
        let target = match self.target.windows(3).position(|w| w == b"://") {
            Some(at) if !self.target.starts_with(b"/") => {
                let rest = &self.target[at + 3..];
                rest.iter().position(|b| *b == b'/').map_or(&b"/"[..], |slash| &rest[slash..])
            }
            _ => &self.target[..],
        };
        let end = target.iter().position(|b| *b == b'?').unwrap_or(target.len());
        &target[..end]
    }
}

/// Whether a content type names gRPC (the gRPC over HTTP/2 specification: `application/grpc[+proto|+json|…]`).
pub fn is_grpc_content_type(value: &[u8]) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    value.len() >= GRPC.len()
        && value[..GRPC.len()].eq_ignore_ascii_case(GRPC)
        && matches!(value.get(GRPC.len()), None | Some(b'+' | b';' | b' '))
}
