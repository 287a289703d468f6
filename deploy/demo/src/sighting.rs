//! One request as it was seen from one place: by the client, by v1, in the store, by v2.
//!
//! The demo's claim is that the four agree, so all four speak the same type.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Version};
use umbra_common::exchange::{Exchange, HttpVersion};

/// The client numbers its requests with it, as most services do, and the demo finds them again by it.
pub const REQUEST_ID: &str = "x-request-id";
/// Carries bytes that are no UTF-8, to show that they arrive as they are.
pub const ODD: &str = "x-odd";
/// What the replayer puts on each request that it sends.
pub const MARKER: &str = "umbra-shadow";

/// A request and its answer, as seen from one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The value of [`REQUEST_ID`].
    pub id: String,
    /// The method.
    pub method: String,
    /// The target, percent-escapes and all.
    pub target: String,
    /// The protocol version.
    pub version: Version,
    /// `Host` or `:authority`.
    pub host: String,
    /// The value of [`ODD`], byte for byte.
    pub odd: Option<Bytes>,
    /// The value of `authorization`.
    pub authorization: Option<Bytes>,
    /// The value of [`MARKER`].
    pub marker: Option<Bytes>,
    /// The whole body.
    pub body: Bytes,
    /// How it was answered, where that is known.
    pub status: Option<Status>,
}

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The HTTP status.
    pub http: u16,
    /// `grpc-status`, where there is one.
    pub grpc: Option<u16>,
}

impl Status {
    /// From the status line and wherever gRPC may have put its own: the trailers or, where nothing else was sent, the
    /// headers.
    pub fn new(http: u16, grpc: Option<&[u8]>) -> Self {
        Self { http, grpc: grpc.and_then(|v| std::str::from_utf8(v).ok()?.parse().ok()) }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.grpc {
            None => write!(f, "{}", self.http),
            Some(grpc) => write!(f, "{}, grpc {grpc}", self.http),
        }
    }
}

impl Sighting {
    /// From a request's head as http has it.
    pub fn of(head: &http::request::Parts, body: Bytes) -> Self {
        let field = |name: &str| head.headers.get(name).map(|v| Bytes::copy_from_slice(v.as_bytes()));
        // HTTP/2 has its host in the target, HTTP/1.1 in a field.
        let host = match head.uri.authority() {
            Some(authority) if head.version == Version::HTTP_2 => authority.to_string(),
            _ => text(head.headers.get(http::header::HOST).map_or(&[][..], |v| v.as_bytes())),
        };
        Self {
            id: text(&field(REQUEST_ID).unwrap_or_default()),
            method: head.method.to_string(),
            target: head.uri.path_and_query().map_or_else(|| head.uri.to_string(), ToString::to_string),
            version: head.version,
            host,
            odd: field(ODD),
            authorization: field("authorization"),
            marker: field(MARKER),
            body,
            status: None,
        }
    }

    /// From a record in the store.
    pub fn recorded(exchange: &Exchange) -> Self {
        let request = &exchange.request;
        let field = |name: &str| request.headers.get(name).map(Bytes::copy_from_slice);
        Self {
            id: text(&field(REQUEST_ID).unwrap_or_default()),
            method: text(&request.method),
            target: text(&request.target),
            version: match request.version {
                HttpVersion::Http10 => Version::HTTP_10,
                HttpVersion::Http11 => Version::HTTP_11,
                HttpVersion::Http2 => Version::HTTP_2,
            },
            host: text(&request.authority),
            odd: field(ODD),
            authorization: field("authorization"),
            marker: field(MARKER),
            body: request.body.bytes.clone(),
            status: exchange
                .response
                .as_ref()
                .map(|r| Status::new(r.status, r.trailers.get("grpc-status").or_else(|| r.headers.get("grpc-status")))),
        }
    }
}

/// `grpc-status` of a response: from its trailers or, in a trailers-only answer, from its headers.
pub fn grpc_status<'a>(headers: &'a HeaderMap, trailers: Option<&'a HeaderMap>) -> Option<&'a [u8]> {
    trailers.and_then(|t| t.get("grpc-status")).or_else(|| headers.get("grpc-status")).map(|v| v.as_bytes())
}

/// Bytes from the wire as a person can read them: what is no printable ASCII is escaped, so nothing is lost.
pub fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
