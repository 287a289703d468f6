//! The head of a request as it is recorded: kept before anything is edited, taken apart by the store's thread.

use std::borrow::Cow;
use std::sync::Arc;

use http::HeaderMap;
use http::header::HOST;
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use hyper::ext::Protocol;
use umbra_common::exchange::{Fields, HttpVersion, Request, Scheme};
use umbra_common::shadow_host;

use super::copy::PackedBody;
use super::mirrored;
use super::sections::{self, Sections};
use crate::edge::{HeadView, response_fields};

/// Room for so many fields is made at once: browsers, gRPC clients and most services send fewer.
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
    /// HTTP/2: what its header block held.
    Listed {
        /// The method, the target and, where there is one, the authority.
        line: Vec<u8>,
        has_authority: bool,
        headers: Fields,
    },
}

/// The head of a response as it came.
#[derive(Debug)]
pub(super) enum ResponseHead {
    /// From an HTTP/1 origin to an HTTP/1 client: the bytes from the wire. A list of fields would be made from a map, which
    /// costs more than all the rest that a worker does for a record.
    Wire(Vec<u8>),
    /// Else: what the library has of it.
    Listed(Fields),
}

/// How a response's head lies in its batch.
#[derive(Clone, Copy, Debug)]
pub(super) enum PackedResponseHead {
    /// A section with the bytes from the wire.
    Wire,
    /// A section of fields.
    Listed,
}

/// How a request's head lies in its batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackedHead {
    form: PackedForm,
    unshadow: bool,
}

#[derive(Clone, Copy, Debug)]
enum PackedForm {
    /// One section, the bytes from the wire.
    Wire,
    /// Method, target, maybe authority, fields.
    Listed { has_authority: bool },
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
        let method = parts.method.as_str();
        let target = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let authority = parts.uri.authority().map(Authority::as_str);
        let texts = [Some(method), Some(target), authority];
        let mut line = Vec::with_capacity(sections::room(texts.iter().flatten().map(|text| text.len())));
        texts.iter().flatten().for_each(|text| sections::put(&mut line, text.as_bytes()));
        Self { form: Form::Listed { line, has_authority: authority.is_some(), headers }, unshadow }
    }

    /// The bytes it holds.
    pub(crate) fn byte_len(&self) -> usize {
        match &self.form {
            Form::Wire(bytes) => bytes.len(),
            Form::Listed { line, headers, .. } => line.len() + headers.byte_len(),
        }
    }

    /// Puts it behind what a batch holds.
    pub(super) fn pack(self, to: &mut Vec<u8>) -> PackedHead {
        let form = match self.form {
            Form::Wire(bytes) => {
                sections::put(to, &bytes);
                PackedForm::Wire
            }
            Form::Listed { line, has_authority, headers } => {
                to.extend_from_slice(&line);
                sections::put_fields(to, &headers);
                PackedForm::Listed { has_authority }
            }
        };
        PackedHead { form, unshadow: self.unshadow }
    }
}

impl PackedHead {
    /// The request with its other parts.
    ///
    /// `is_whole`: whether the end of it has come.
    pub(super) fn unpack<'a>(
        self,
        from: &mut Sections<'a>,
        scheme: Scheme,
        body: PackedBody,
        is_whole: bool,
    ) -> Request<Cow<'a, [u8]>> {
        let (method, target, version, authority, mut headers) = match self.form {
            PackedForm::Wire => {
                let bytes = from.next();
                // The guard let it through, so it is a head.
                let view = HeadView::of(bytes).unwrap_or_default();
                let mut fields = Fields::with_capacity(USUAL_FIELDS, bytes.len());
                let mut host = None;
                for (name, value) in view.fields() {
                    fields.push(name, value);
                    if host.is_none() && name.eq_ignore_ascii_case(HOST.as_str().as_bytes()) {
                        host = Some(value);
                    }
                }
                let version = if view.is_11 { HttpVersion::Http11 } else { HttpVersion::Http10 };
                (view.method, view.target, version, host, fields)
            }
            PackedForm::Listed { has_authority } => {
                let (method, target) = (from.next(), from.next());
                let authority = has_authority.then(|| from.next());
                (method, target, HttpVersion::Http2, authority, from.fields())
            }
        };
        let mut body = body.unpack(from);
        // Half a request looks like a whole one to whoever replays it.
        body.truncated |= !is_whole;
        let trailers = from.fields();
        let mut target = Cow::from(target);
        if self.unshadow {
            headers = mirrored::headers(&headers);
            target = mirrored::target(&target).map_or(target, Cow::from);
        }
        let authority = match authority {
            Some(authority) if self.unshadow => shadow_host::remove(authority).into(),
            Some(authority) => authority.into(),
            None => headers.get(HOST.as_str()).unwrap_or_default().to_vec().into(),
        };
        Request { method: method.into(), target, version, scheme, authority, headers, body, trailers }
    }
}

impl ResponseHead {
    /// `wire`: the whole of it as it came, or nothing.
    pub(super) fn new(headers: &HeaderMap, wire: &[u8]) -> Self {
        if wire.is_empty() { Self::Listed(fields(headers)) } else { Self::Wire(wire.to_vec()) }
    }

    /// The bytes it holds.
    pub(super) fn byte_len(&self) -> usize {
        match self {
            Self::Wire(bytes) => bytes.len(),
            Self::Listed(fields) => fields.byte_len(),
        }
    }

    /// Puts it behind what a batch holds.
    pub(super) fn pack(&self, to: &mut Vec<u8>) -> PackedResponseHead {
        match self {
            Self::Wire(bytes) => {
                sections::put(to, bytes);
                PackedResponseHead::Wire
            }
            Self::Listed(fields) => {
                sections::put_fields(to, fields);
                PackedResponseHead::Listed
            }
        }
    }
}

impl PackedResponseHead {
    pub(super) fn unpack(self, from: &mut Sections<'_>) -> Fields {
        match self {
            Self::Wire => {
                let head = from.next();
                let mut fields = Fields::with_capacity(USUAL_FIELDS, head.len());
                for (name, value) in response_fields(head) {
                    fields.push(name, value);
                }
                fields
            }
            Self::Listed => from.fields(),
        }
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
    use crate::tap::BodyCopy;

    /// As it comes out of a batch.
    fn request(head: RequestHead) -> Request<Cow<'static, [u8]>> {
        let mut bytes = Vec::new();
        let packed = head.pack(&mut bytes);
        let body = BodyCopy::default().pack(&mut bytes);
        sections::put_fields(&mut bytes, &Fields::default());
        packed.unpack(&mut Sections::new(bytes.leak(), 0), Scheme::Http, body, true)
    }

    fn wire(head: &'static [u8], unshadow: bool) -> Request<Cow<'static, [u8]>> {
        request(RequestHead::wire(head.into(), unshadow))
    }

    fn listed(builder: http::request::Builder, unshadow: bool) -> Request<Cow<'static, [u8]>> {
        request(RequestHead::listed(&builder.body(()).unwrap().into_parts().0, unshadow))
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
    fn a_response_is_as_its_origin_wrote_it_and_ends_with_its_empty_line() {
        let headers = HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("map"))]);
        let wire = [
            ("HTTP/1.1 200 OK\r\nB: 1\r\nA:\tb \r\nb:2\r\n\r\nx: y\r\n\r\n", vec![("b", "1"), ("a", "b"), ("b", "2")]),
            ("HTTP/1.1 204 No Content\r\n\r\n", vec![]),
            ("HTTP/1.1 200 OK\nA: 1\nB: 2\r\n\r\n", vec![("a", "1"), ("b", "2")]),
            ("HTTP/1.1 200 OK\nA: 1\n\nx: y\r\n\r\n", vec![("a", "1")]),
            ("", vec![("etag", "map")]),
        ];
        for (head, expected) in wire {
            let mut bytes = Vec::new();
            let packed = ResponseHead::new(&headers, head.as_bytes()).pack(&mut bytes);
            let fields = packed.unpack(&mut Sections::new(&bytes, 0));
            assert_eq!(fields, expected.into_iter().collect());
        }
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
