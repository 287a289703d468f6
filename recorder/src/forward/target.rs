//! The request line as the upstream is to see it.

use http::Version;
use http::header::{CONTENT_LENGTH, EXPECT, HOST, HeaderValue, TRAILER, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http_body::Body;

use super::faithful::encoded;
use super::{Failure, RequestBody};
use crate::config::{Protocol, Upstream};
use crate::edge::Head;

/// Origin-form and a `Host` field; the body's framing where hyper would not choose it.
pub(super) fn http1(parts: &mut Parts, body: &RequestBody) -> Result<(), Failure> {
    if parts.version == Version::HTTP_2
        && !parts.headers.contains_key(HOST)
        && let Some(authority) = parts.uri.authority()
    {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|e| Failure::Target(e.into()))?;
        parts.headers.insert(HOST, host);
    }
    if parts.uri.scheme().is_some() {
        parts.uri = Uri::from(parts.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")));
    }
    // HTTP/2 has trailers behind a body of known length, HTTP/1 behind a chunked one alone.
    if parts.version == Version::HTTP_2 && parts.headers.contains_key(TRAILER) && !body.is_end_stream() {
        parts.headers.remove(CONTENT_LENGTH);
    }
    // hyper sends a GET with a body of unknown length without it, unless told.
    if !body.is_end_stream() && !parts.headers.contains_key(CONTENT_LENGTH) {
        parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    parts.version = Version::HTTP_11;
    Ok(())
}

/// Scheme, authority and path, from which hyper makes the pseudo-fields. `odd`: the head that came, where its target is odd.
pub(super) fn http2(parts: &mut Parts, upstream: &Upstream, odd: Option<&Head>) -> Result<(), Failure> {
    let host = parts.headers.remove(HOST);
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    if uri.authority.is_none() {
        uri.authority = Some(match host {
            Some(host) => Authority::try_from(host.as_bytes()).map_err(|e| Failure::Target(e.into()))?,
            None => upstream.authority.clone(),
        });
    }
    uri.scheme = Some(if upstream.protocol == Protocol::Https { Scheme::HTTPS } else { Scheme::HTTP });
    if let Some(came) = odd {
        uri.path_and_query = encoded(came);
    }
    uri.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
    parts.uri = Uri::from_parts(uri).map_err(|e| Failure::Target(e.into()))?;
    // HTTP/2 has no field that stands for the length of what is to come, and hyper passes no 1xx on there.
    parts.headers.remove(EXPECT);
    parts.version = Version::HTTP_2;
    Ok(())
}
