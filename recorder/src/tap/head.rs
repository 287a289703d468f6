//! The head of a request as it is recorded: kept before anything is edited, taken apart by the store's thread.

use std::sync::Arc;

use bytes::Bytes;
use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, Method};
use hyper::ext::Protocol;
use umbra_common::exchange::{Body, Fields, HttpVersion, Request, Scheme};
use umbra_common::shadow_host;

use super::mirrored;
use crate::edge::HeadView;

/// Room for so many fields is made at once: browsers and gRPC clients send fewer.
const USUAL_FIELDS: usize = 24;

/// What arrived, in one or a few small allocations that hold nothing else alive.
#[derive(Debug)]
pub(crate) struct RequestHead {
    form: Form,
    /// What a mirror added comes off, as a sink does.
    unshadow: bool,
}

#[derive(Debug)]
enum Form {
    /// HTTP/1: the bytes from the wire, so that order and duplicates are as they came.
    Wire(Arc<[u8]>),
    /// HTTP/2: what its header block held. Boxed, so that HTTP/1 does not carry its room.
    Listed(Box<Listed>),
}

#[derive(Debug)]
struct Listed {
    method: Method,
    target: Bytes,
    authority: Option<Bytes>,
    headers: Fields,
}

impl RequestHead {
    /// The head of an HTTP/1 request, as the wire guard kept it.
    pub(crate) fn wire(bytes: Arc<[u8]>, unshadow: bool) -> Self {
        Self { form: Form::Wire(bytes), unshadow }
    }

    /// The head of an HTTP/2 request. What an extended CONNECT asks for stands before its fields, as in its header block.
    pub(crate) fn listed(parts: &Parts, unshadow: bool) -> Self {
        let mut headers = fields(&parts.headers);
        if let Some(protocol) = parts.extensions.get::<Protocol>() {
            let first = [(&b":protocol"[..], protocol.as_ref())];
            headers = first.into_iter().chain(headers.iter()).collect();
        }
        let copy = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let listed = Listed {
            method: parts.method.clone(),
            target: parts.uri.path_and_query().map_or_else(|| copy("/"), |path| copy(path.as_str())),
            authority: parts.uri.authority().map(|authority| copy(authority.as_str())),
            headers,
        };
        Self { form: Form::Listed(Box::new(listed)), unshadow }
    }

    /// The bytes it holds.
    pub(crate) fn byte_len(&self) -> usize {
        match &self.form {
            Form::Wire(bytes) => bytes.len(),
            Form::Listed(listed) => {
                let Listed { target, authority, headers, .. } = &**listed;
                size_of::<Listed>() + target.len() + authority.as_ref().map_or(0, Bytes::len) + headers.byte_len()
            }
        }
    }

    /// The request with its other parts.
    pub(crate) fn into_request(self, scheme: Scheme, body: Body, trailers: Fields) -> Request {
        let (method, mut target, version, authority, mut headers) = match self.form {
            Form::Wire(bytes) => {
                let bytes = Bytes::from_owner(bytes);
                // The guard let it through, so it is a head.
                let view = HeadView::of(&bytes).unwrap_or_default();
                let mut fields = Fields::with_capacity(USUAL_FIELDS, bytes.len());
                let mut host = None;
                for (name, value) in view.fields() {
                    fields.push(name, value);
                    if host.is_none() && name.eq_ignore_ascii_case(HOST.as_str().as_bytes()) {
                        host = Some(bytes.slice_ref(value));
                    }
                }
                let version = if view.is_11 { HttpVersion::Http11 } else { HttpVersion::Http10 };
                (bytes.slice_ref(view.method), bytes.slice_ref(view.target), version, host, fields)
            }
            Form::Listed(listed) => {
                let Listed { method, target, authority, headers } = *listed;
                let method = Bytes::copy_from_slice(method.as_str().as_bytes());
                (method, target, HttpVersion::Http2, authority, headers)
            }
        };
        if self.unshadow {
            headers = mirrored::headers(&headers);
            target = mirrored::target(&target).map_or(target, Bytes::from);
        }
        let authority = match authority {
            Some(authority) if self.unshadow => shadow_host::remove(&authority).into(),
            Some(authority) => authority,
            None => Bytes::copy_from_slice(headers.get(HOST.as_str()).unwrap_or_default()),
        };
        Request { method, target, version, scheme, authority, headers, body, trailers }
    }
}

/// A header or trailer section as it is recorded.
pub(crate) fn fields(map: &HeaderMap) -> Fields {
    let bytes = map.iter().map(|(n, v)| n.as_str().len() + v.len()).sum();
    let mut fields = Fields::with_capacity(map.len(), bytes);
    for (name, value) in map {
        fields.push_lower(name.as_str(), value.as_bytes());
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(head: &'static [u8], unshadow: bool) -> Request {
        RequestHead::wire(head.into(), unshadow).into_request(Scheme::Http, Body::default(), Fields::default())
    }

    fn listed(request: http::request::Builder, unshadow: bool) -> Request {
        RequestHead::listed(&request.body(()).unwrap().into_parts().0, unshadow).into_request(
            Scheme::Http,
            Body::default(),
            Fields::default(),
        )
    }

    #[test]
    fn order_duplicates_and_odd_bytes_are_those_of_the_wire() {
        let request =
            wire(b"PUT /a?b=%20&c HTTP/1.0\r\nB: 1\r\nHost: a:80\r\nA:\t\xff\x80 \r\nb: 2\r\nC:\r\n\r\n", false);
        assert_eq!((&request.method[..], &request.target[..]), (&b"PUT"[..], &b"/a?b=%20&c"[..]));
        assert_eq!((request.version, &request.authority[..]), (HttpVersion::Http10, &b"a:80"[..]));
        let fields: Vec<_> = request.headers.iter().collect();
        let expected: [(&[u8], &[u8]); 5] =
            [(b"b", b"1"), (b"host", b"a:80"), (b"a", b"\xff\x80"), (b"b", b"2"), (b"c", b"")];
        assert_eq!(fields, expected);
    }

    #[test]
    fn absolute_form_stays_and_http2_has_an_authority() {
        let one = wire(b"GET http://a:80/x?y HTTP/1.1\r\nHost: a:80\r\n\r\n", false);
        assert_eq!(&one.target[..], b"http://a:80/x?y");
        let two = listed(http::Request::get("http://a:80/x?y").version(http::Version::HTTP_2), false);
        assert_eq!((&two.target[..], &two.authority[..]), (&b"/x?y"[..], &b"a:80"[..]));
        assert_eq!(two.version, HttpVersion::Http2);
    }

    #[test]
    fn a_sink_takes_one_shadow_off() {
        let one = wire(b"GET / HTTP/1.1\r\nHost: api-shadow:80\r\nX: b-shadow\r\n\r\n", true);
        assert_eq!(one.headers.get("host"), Some(&b"api:80"[..]));
        assert_eq!(one.headers.get("x"), Some(&b"b-shadow"[..]));
        assert_eq!(&one.authority[..], b"api:80");
        let two = listed(http::Request::get("http://a-shadow/").version(http::Version::HTTP_2), true);
        assert_eq!(&two.authority[..], b"a");
    }
}
