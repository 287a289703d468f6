use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::exchange::{Body, Ending, ExchangeId, Fields, HttpVersion, Request, Response, Scheme};
use crate::fraction::Fraction;
use crate::time::Timestamp;

/// One exchange with something in every field.
fn full() -> Exchange {
    let arrival = Timestamp::from_nanos(1_763_370_000_123_456_789);
    Exchange {
        id: ExchangeId::new(arrival, 0x0123_4567_89ab_cdef),
        arrival,
        client: Some("[2001:db8::7]:50123".parse().unwrap()),
        request: Request {
            method: Bytes::from_static(b"POST"),
            target: Bytes::from_static(b"/orders?id=%20&q=\xc3\xa9"),
            version: HttpVersion::Http2,
            scheme: Scheme::Https,
            authority: Bytes::from_static(b"api.example.com:8443"),
            headers: [("content-type", &b"application/grpc"[..]), ("x-odd", b"\xff\x00\x80"), ("x-odd", b"")]
                .into_iter()
                .collect(),
            body: Body { bytes: Bytes::from_static(b"\0\0\0\0\x05hello"), length: 1 << 33, truncated: true },
            trailers: [("x-end", "1")].into_iter().collect(),
        },
        session: Bytes::from_static(b"\x01\x02\x03\x04\x05\x06\x07\x08"),
        sampled_at: Fraction::from_ppb(10_000_000),
        upstream: "http://127.0.0.1:3000".into(),
        recorder: "recorder-0".into(),
        ending: Ending::Complete,
        total: Duration::from_micros(1234),
        response: Some(Response {
            status: 200,
            headers: [("content-type", "application/grpc"), ("set-cookie", "a=***"), ("set-cookie", "b=***")]
                .into_iter()
                .collect(),
            body: Body::whole(&b"answer"[..]),
            trailers: [("grpc-status", "0")].into_iter().collect(),
            first_byte: Duration::from_micros(900),
        }),
    }
}

/// One exchange with nothing in every field that may have nothing.
fn bare() -> Exchange {
    Exchange {
        id: ExchangeId::new(Timestamp::ZERO, 0),
        arrival: Timestamp::ZERO,
        client: None,
        request: Request {
            method: Bytes::from_static(b"GET"),
            target: Bytes::from_static(b"/"),
            version: HttpVersion::Http10,
            scheme: Scheme::Http,
            authority: Bytes::new(),
            headers: Fields::default(),
            body: Body::default(),
            trailers: Fields::default(),
        },
        session: Bytes::new(),
        sampled_at: Fraction::ALL,
        upstream: "".into(),
        recorder: "".into(),
        ending: Ending::UpstreamError,
        total: Duration::ZERO,
        response: None,
    }
}

/// The bytes of a format version as they were first written. They are compared with what is written today as long as
/// the version is current, and must decode to the same exchange for ever.
fn golden(name: &str, exchange: &Exchange) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| {
        let made = path.with_extension("new");
        std::fs::write(&made, encode(exchange)).unwrap();
        panic!("{}: {e}; what is written today is in {}", path.display(), made.display())
    });
    assert_eq!(decode(&bytes).as_ref(), Ok(exchange), "{name} must decode as it always has");
    assert_eq!(encode(exchange), bytes, "{name} must be written as it always was, or get a new version");
}

#[test]
fn version_1_is_forever() {
    golden("v1-full.umb", &full());
    golden("v1-bare.umb", &bare());
}

#[test]
fn what_is_wrong_is_named() {
    let good = encode(&full());
    assert!(matches!(decode(b""), Err(DecodeError::Magic { .. })));
    assert!(matches!(decode(b"HTTP/1.1"), Err(DecodeError::Magic { .. })));
    assert!(matches!(decode(b"UMB"), Err(DecodeError::Broken { field: "envelope", .. })));
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        decode(&bytes)
    };
    assert_eq!(with(3, 2), Err(DecodeError::Version(2)));
    assert_eq!(with(3, 0), Err(DecodeError::Version(0)));
    assert_eq!(with(4, 0x80), Err(DecodeError::Flags(0x80)));
    let mut longer = good.clone();
    longer.push(0);
    assert_eq!(decode(&longer), Err(DecodeError::Trailing(1)));
    assert_eq!(decode(&good[..10]).unwrap_err().to_string(), "broken id at byte 5: 16 bytes are announced, 5 are left");
}

#[test]
fn every_cut_of_a_record_is_an_error() {
    let record = encode(&full());
    for length in 0..record.len() {
        assert!(decode(&record[..length]).is_err(), "{length} of {} bytes decode", record.len());
    }
}

fn fields() -> impl Strategy<Value = Fields> {
    proptest::collection::vec(("[a-z0-9-]{0,12}", any::<Vec<u8>>()), 0..8).prop_map(|f| f.into_iter().collect())
}

fn body() -> impl Strategy<Value = Body> {
    (any::<Vec<u8>>(), any::<u64>(), any::<bool>()).prop_map(|(b, length, truncated)| Body {
        bytes: b.into(),
        length,
        truncated,
    })
}

prop_compose! {
    fn request()(
        method: Vec<u8>, target: Vec<u8>, authority: Vec<u8>, headers in fields(), body in body(), trailers in fields(),
        version in prop_oneof![Just(HttpVersion::Http10), Just(HttpVersion::Http11), Just(HttpVersion::Http2)],
        https: bool,
    ) -> Request {
        Request {
            method: method.into(), target: target.into(), version, authority: authority.into(), headers, body, trailers,
            scheme: if https { Scheme::Https } else { Scheme::Http },
        }
    }
}

prop_compose! {
    fn response()(status: u16, headers in fields(), body in body(), trailers in fields(), ns: u64) -> Response {
        Response { status, headers, body, trailers, first_byte: Duration::from_nanos(ns) }
    }
}

prop_compose! {
    fn exchange()(
        nanos in 0..=Timestamp::LAST.as_nanos(), random: u64, client: Option<std::net::SocketAddrV4>, request in request(),
        response in proptest::option::of(response()), session: Vec<u8>, ppb in 0u32..=1_000_000_000, upstream: String,
        recorder: String, total: u64,
        ending in prop_oneof![
            Just(Ending::Complete), Just(Ending::ClientAborted), Just(Ending::UpstreamError), Just(Ending::Timeout),
            Just(Ending::Unfinished), Just(Ending::Sunk),
        ],
    ) -> Exchange {
        let arrival = Timestamp::from_nanos(nanos);
        Exchange {
            id: ExchangeId::new(arrival, random), arrival, client: client.map(Into::into), request,
            session: session.into(), sampled_at: Fraction::from_ppb(ppb), upstream: upstream.into(),
            recorder: recorder.into(), ending, total: Duration::from_nanos(total), response,
        }
    }
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_itself(exchange in exchange()) {
        prop_assert_eq!(decode(&encode(&exchange)), Ok(exchange));
    }

    #[test]
    fn any_bytes_are_taken_without_a_panic(bytes: Vec<u8>) {
        let _ = decode(&bytes);
        let _ = decode(&[&b"UMB\x01\0"[..], &bytes].concat());
    }

    #[test]
    fn one_changed_byte_never_panics(at: prop::sample::Index, byte: u8) {
        let mut record = encode(&full());
        let at = at.index(record.len());
        record[at] = byte;
        let _ = decode(&record);
    }
}

/// The same shape as a struct with bincode's own derive: other programs may read records that way.
#[test]
fn the_bytes_are_those_of_bincodes_derive() {
    type Pairs<'a> = Vec<(&'a [u8], &'a [u8])>;
    type Body<'a> = (&'a [u8], u64, bool);
    type Answer<'a> = (u16, Pairs<'a>, Body<'a>, Pairs<'a>, u64);
    #[derive(bincode::Encode)]
    struct Wire<'a> {
        id: [u8; 16],
        arrival_ns: u64,
        client: &'a [u8],
        request: (&'a [u8], &'a [u8], u8, u8, &'a [u8]),
        headers: Pairs<'a>,
        body: Body<'a>,
        trailers: Pairs<'a>,
        session: &'a [u8],
        sampled_ppb: u32,
        upstream: &'a str,
        recorder: &'a str,
        ending: u8,
        total_ns: u64,
        response: Option<Answer<'a>>,
    }
    let exchange = full();
    let (q, p) = (&exchange.request, exchange.response.as_ref().unwrap());
    let wire = Wire {
        id: exchange.id.to_bytes(),
        arrival_ns: exchange.arrival.as_nanos(),
        client: &[&"2001:db8::7".parse::<std::net::Ipv6Addr>().unwrap().octets()[..], &50123u16.to_be_bytes()].concat(),
        request: (&q.method, &q.target, 20, 1, &q.authority),
        headers: q.headers.iter().collect(),
        body: (&q.body.bytes, q.body.length, q.body.truncated),
        trailers: q.trailers.iter().collect(),
        session: &exchange.session,
        sampled_ppb: exchange.sampled_at.ppb(),
        upstream: &exchange.upstream,
        recorder: &exchange.recorder,
        ending: 0,
        total_ns: 1_234_000,
        response: Some((
            p.status,
            p.headers.iter().collect(),
            (&p.body.bytes, p.body.length, p.body.truncated),
            p.trailers.iter().collect(),
            900_000,
        )),
    };
    let derived = bincode::encode_to_vec(&wire, bincode::config::standard()).unwrap();
    assert_eq!(encode(&exchange)[5..], derived);
}
