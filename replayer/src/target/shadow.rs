//! From a recorded request to the shadow request.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, Method, Request, Version};
use umbra_common::exchange::{self, Exchange, Fields, allocated};
use umbra_common::provenance;

use super::{Order, Protocol, RecordedBody, Target, TargetScheme, footprint};
use crate::carry::Carried;
use crate::change::Tally;
use crate::command::Sending;
use crate::report::Recorded;

/// A request ready to be sent.
#[derive(Debug)]
pub struct ShadowRequest {
    /// What goes over the wire.
    pub request: Box<Request<RecordedBody>>,
    /// In which protocol.
    pub protocol: Protocol,
    /// What production answered.
    pub recorded: Recorded,
    /// The session that it belongs to, where sessions are kept in order.
    pub session: Option<Bytes>,
    /// What the carry rules want of its answer.
    pub carried: Option<Box<Carried>>,
    /// What it holds on the heap, in bytes.
    pub size: usize,
}

/// An exchange that no client can send again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// CONNECT, or a handshake that turns the connection into something else.
    #[error("an upgrade's handshake")]
    Upgrade,
    /// The method, the target, the host or a field.
    #[error("its {0} cannot be sent")]
    Invalid(&'static str),
}

/// Marks what a replayer sends: a recorder takes no request that carries it, so nothing goes round.
const MARKER: HeaderName = HeaderName::from_static("umbra-shadow");

/// Says which recorder took a request, so that this one refuses it.
const RECORDED_BY: HeaderName = HeaderName::from_static(provenance::FIELD);

/// What is the same for every request to one target.
#[derive(Clone, Debug)]
pub struct Preparer {
    target: Target,
    sending: Sending,
    authority: Bytes,
    marker: HeaderValue,
    tally: Tally,
}

impl Preparer {
    /// For one target.
    pub fn new(target: Target, sending: Sending) -> Self {
        let authority = target.url.authority().into();
        // A target's name has only characters that a field value may have.
        let marker = HeaderValue::from_str(&target.name).unwrap_or(HeaderValue::from_static("target"));
        let tally = Tally::new(&sending.changes);
        Self { target, sending, authority, marker, tally }
    }

    /// What each change does, counted as it is done.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Whether the bodies of recorded responses are looked at.
    pub fn needs_recorded_bodies(&self) -> bool {
        self.sending.carries.needs_bodies()
    }

    /// The recorded request with its target in origin-form, and with every change.
    pub fn change(&self, request: &mut exchange::Request) {
        request.target = origin_form(&request.target, &request.method);
        self.sending.changes.apply(request, &self.tally);
    }

    /// The shadow request of an exchange.
    pub fn prepare(&self, exchange: Exchange) -> Result<ShadowRequest, Unsendable> {
        let recorded = recorded(&exchange);
        let session = match self.sending.order {
            Order::Free => None,
            Order::Session => self.sending.session_by.of(&exchange),
        };
        let carries = session.is_some() && !self.sending.carries.is_empty();
        let carried = carries.then(|| Box::new(self.sending.carries.wanted(&exchange)));
        let mut source = exchange.request;
        self.change(&mut source);
        // Where production is meant, its recorder is not asked.
        let wary = !self.sending.allow_production_target;
        let word = wary.then(|| HeaderValue::from_str(&provenance::word(&exchange.recorder, &exchange.upstream)));
        let word = word.and_then(Result::ok);
        let method = Method::from_bytes(&source.method).map_err(|_| Unsendable::Invalid("method"))?;
        if method == Method::CONNECT || is_upgrade(&source.headers, recorded.status) {
            return Err(Unsendable::Upgrade);
        }
        let protocol = self.sending.protocol.choose(self.target.url.scheme, &source);
        let authority = self.sending.host.apply(&source.authority, &self.authority);
        let path = encoded(&source.target).ok_or(Unsendable::Invalid("target"))?;
        let mut headers = self.headers(&source, protocol, &authority, word)?;
        let trailers = (!source.trailers.is_empty()).then(|| section(&source.trailers)).transpose()?;
        let body = RecordedBody::new(source.body.bytes, trailers);
        frame(&mut headers, &source.headers, &body, protocol);
        let mut request = Box::new(Request::new(body));
        *request.method_mut() = method;
        *request.headers_mut() = headers;
        let mut uri = http::uri::Parts::default();
        uri.path_and_query = Some(path);
        if protocol == Protocol::H2 {
            let is_tls = self.target.url.scheme == TargetScheme::Https;
            uri.scheme = Some(if is_tls { Scheme::HTTPS } else { Scheme::HTTP });
            let authority = Authority::from_maybe_shared(authority).map_err(|_| Unsendable::Invalid("host"))?;
            uri.authority = Some(authority);
            *request.version_mut() = Version::HTTP_2;
        }
        *request.uri_mut() = Uri::from_parts(uri).map_err(|_| Unsendable::Invalid("target"))?;
        let carried_size = carried.as_deref().map_or(0, footprint::of_carried);
        let size = footprint::of_request(&request) + carried_size + session.as_ref().map_or(0, |s| allocated(s.len()));
        Ok(ShadowRequest { request, protocol, recorded, session, carried, size })
    }

    /// The header section in its order, without what belongs to one connection.
    fn headers(
        &self,
        source: &exchange::Request,
        protocol: Protocol,
        authority: &Bytes,
        provenance: Option<HeaderValue>,
    ) -> Result<HeaderMap, Unsendable> {
        let host = || HeaderValue::from_maybe_shared(authority.clone()).map_err(|_| Unsendable::Invalid("host"));
        let mut headers = HeaderMap::with_capacity(source.headers.len() + 2);
        let listed = connection_options(&source.headers);
        if protocol == Protocol::H1 && source.headers.get("host").is_none() {
            headers.insert(header::HOST, host()?);
        }
        for (name, value) in source.headers.iter() {
            let name = HeaderName::from_bytes(name).map_err(|_| Unsendable::Invalid("header name"))?;
            if name == header::HOST {
                if protocol == Protocol::H1 {
                    headers.insert(header::HOST, host()?);
                }
            } else if !is_left_out(&name, value, protocol, &listed) {
                let value = HeaderValue::from_bytes(value).map_err(|_| Unsendable::Invalid("header value"))?;
                headers.append(name, value);
            }
        }
        headers.insert(MARKER, self.marker.clone());
        if let Some(word) = provenance {
            headers.insert(RECORDED_BY, word);
        }
        Ok(headers)
    }
}

fn is_left_out(name: &HeaderName, value: &[u8], protocol: Protocol, listed: &[Vec<u8>]) -> bool {
    // gRPC needs it, and HTTP/2 allows it with this one value (RFC 9113, 8.2.2).
    let kept_te = protocol == Protocol::H2 && value.eq_ignore_ascii_case(b"trailers");
    is_hop_by_hop(name.as_str()) && !(name == header::TE && kept_te)
        || listed.iter().any(|l| l == name.as_str().as_bytes())
}

/// Fields about one connection, or about how the body is framed on it (RFC 9110, 7.6.1), and `expect`: the body is at
/// hand, nobody need ask for it.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
            | "te"
            | "trailer"
            | "content-length"
            | "expect"
            | "umbra-shadow"
            | provenance::FIELD
    )
}

/// The names in `Connection`, in lower case, but for those that no hop may remove.
fn connection_options(headers: &Fields) -> Vec<Vec<u8>> {
    let names = headers.get_all("connection").flat_map(|value| value.split(|b| *b == b','));
    let names = names.map(|name| name.trim_ascii().to_ascii_lowercase());
    names.filter(|name| !matches!(&name[..], b"" | b"close" | b"keep-alive" | b"host" | b"te")).collect()
}

/// A request that left HTTP, or means nothing but to leave it. Another one that only offered an upgrade is an ordinary
/// request without the offer.
fn is_upgrade(headers: &Fields, status: Option<u16>) -> bool {
    const SWITCHING_PROTOCOLS: u16 = 101;
    let says = |field: &str, word: &[u8]| {
        let mut words = headers.get_all(field).flat_map(|value| value.split(|b| *b == b','));
        words.any(|said| said.trim_ascii().eq_ignore_ascii_case(word))
    };
    status == Some(SWITCHING_PROTOCOLS) || says("connection", b"upgrade") && says("upgrade", b"websocket")
}

/// `http://host/path` to `/path` (RFC 9112, 3.2.2); other forms as they are.
pub(crate) fn origin_form(target: &Bytes, method: &[u8]) -> Bytes {
    let Some(at) = target.windows(3).position(|w| w == b"://").filter(|_| !target.starts_with(b"/")) else {
        return target.clone();
    };
    let rest = target.slice(at + 3..);
    match rest.iter().position(|b| matches!(b, b'/' | b'?')) {
        Some(slash) if rest[slash] == b'/' => rest.slice(slash..),
        Some(query) => [b"/", &rest[query..]].concat().into(),
        None if method == b"OPTIONS" => Bytes::from_static(b"*"),
        None => Bytes::from_static(b"/"),
    }
}

/// A target that a client can write: what no URI may have in it is percent-encoded (RFC 3986, 2.1), though a server took
/// it as it was.
fn encoded(target: &Bytes) -> Option<PathAndQuery> {
    let is_odd = |byte: u8| matches!(byte, b'"' | b'<' | b'>' | 0x80..);
    if !target.iter().copied().any(is_odd) {
        return PathAndQuery::from_maybe_shared(target.clone()).ok();
    }
    let mut written = Vec::with_capacity(target.len() * 3);
    for &byte in target {
        if is_odd(byte) {
            written.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            written.push(byte);
        }
    }
    PathAndQuery::from_maybe_shared(Bytes::from(written)).ok()
}

fn section(fields: &Fields) -> Result<HeaderMap, Unsendable> {
    let bad = Unsendable::Invalid("trailer");
    let mut section = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields.iter() {
        let name = HeaderName::from_bytes(name).map_err(|_| bad.clone())?;
        section.append(name, HeaderValue::from_bytes(value).map_err(|_| bad.clone())?);
    }
    Ok(section)
}

/// Says how long the body is, as the recorded request did, from the bytes that are there.
fn frame(headers: &mut HeaderMap, recorded: &Fields, body: &RecordedBody, protocol: Protocol) {
    let has_trailers = http_body::Body::size_hint(body).exact().is_none();
    if protocol == Protocol::H1 && has_trailers {
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        // hyper sends only the trailers that are announced.
        recorded.get_all("trailer").filter_map(|v| HeaderValue::from_bytes(v).ok()).for_each(|value| {
            headers.append(header::TRAILER, value);
        });
    } else if !body.is_empty() && protocol == Protocol::H1 || recorded.get("content-length").is_some() {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
}

fn recorded(exchange: &Exchange) -> Recorded {
    let none = Recorded::of(exchange.id);
    let Some(response) = &exchange.response else { return none };
    let grpc = response.trailers.get("grpc-status").or_else(|| response.headers.get("grpc-status"));
    Recorded { status: Some(response.status), grpc: grpc.and_then(grpc_status), took: Some(exchange.total), ..none }
}

/// The number in a `grpc-status`; what is none counts as UNKNOWN, as gRPC clients do.
pub(super) fn grpc_status(value: &[u8]) -> Option<u8> {
    const UNKNOWN: u8 = 2;
    Some(std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or(UNKNOWN))
}

#[cfg(test)]
#[path = "shadow_tests.rs"]
mod tests;
