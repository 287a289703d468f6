//! A sink behind the mirrors of real proxies records the request that their client sent.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Request;
use rusqlite::Connection;
use umbra_common::exchange::{Ending, Exchange, HttpVersion};
use umbra_tests::grpc::{Greeter, GrpcClient, hello};
use umbra_tests::http2::Http2Client;
use umbra_tests::origin::Origin;
use umbra_tests::proxies::Proxy;
use umbra_tests::receiver::Receiver;
use umbra_tests::recorder::TestRecorder;
use umbra_tests::stores::TestStore;
use umbra_tests::wire::RawClient;

/// What a mirror may add and a client may as well have sent.
const CANNOT_BE_TOLD: [&str; 3] = ["x-request-id", "x-forwarded-proto", "content-length"];

const REQUEST: &str = "POST /mirrored/%7E?a=1&b=%20 HTTP/1.1\r\nHost: API.example.com:8443\r\nX-B: 2\r\nx-a: 1\r\n\
    X-Forwarded-For: 192.0.2.7\r\nCookie: sid=1\r\nContent-Type: application/json\r\nX-B: 3\r\nContent-Length: 9\r\n\r\n{\"a\": 1}\n";

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn memory_holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|w| w == part)
}

/// Fields of an exchange without what cannot be told, in order.
fn fields(exchange: &Exchange) -> Vec<(String, String)> {
    let fields = exchange.request.headers.iter().map(|(name, value)| (text(name), text(value)));
    fields.filter(|(name, _)| !CANNOT_BE_TOLD.contains(&name.as_str())).collect()
}

fn are(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// What a sink records while `REQUEST` is sent twice through a proxy, whose client is answered by the origin.
fn mirrored(proxy: impl Fn(SocketAddr, SocketAddr) -> Proxy) -> Vec<Exchange> {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let sink = TestRecorder::with(&["--store", store.url(), "--sink"]);
    let proxy = proxy(origin.addr(), sink.addr());
    for _ in 0..2 {
        let response = RawClient::connect(proxy.addr()).exchange(REQUEST);
        assert_eq!((response.status(), response.text().as_str()), (200, "ok"));
    }
    assert_eq!(origin.wait_for(2).len(), 2, "the origin has each request once");
    sink.until("both copies are recorded", |ledger| ledger.state("recorded") == 2);
    drop(proxy);
    assert_eq!(sink.drain().seen, 2);
    store.exchanges()
}

#[track_caller]
fn assert_is_the_request(exchange: &Exchange) {
    let request = &exchange.request;
    assert_eq!((text(&request.method), text(&request.target)), ("POST".into(), "/mirrored/%7E?a=1&b=%20".into()));
    assert_eq!(&request.body.bytes[..], b"{\"a\": 1}\n");
    assert_eq!((request.version, exchange.ending), (HttpVersion::Http11, Ending::Sunk));
    assert!(exchange.response.is_none(), "a sink's own answer is nobody's response");
}

#[test]
fn what_envoy_mirrors_is_recorded_as_its_client_sent_it() {
    let exchanges = mirrored(Proxy::envoy_mirror);
    for exchange in &exchanges {
        assert_is_the_request(exchange);
        assert_eq!(text(&exchange.request.authority), "API.example.com:8443");
        let expected = [
            ("host", "API.example.com:8443"),
            ("x-b", "2"),
            ("x-a", "1"),
            ("x-forwarded-for", "192.0.2.7"),
            ("cookie", "***"),
            ("content-type", "application/json"),
            ("x-b", "3"),
        ];
        assert_eq!(fields(exchange), are(&expected));
    }
}

#[test]
fn a_sink_answers_before_anything_is_stored() {
    let store = TestStore::sqlite();
    let sink = TestRecorder::with(&["--store", store.url(), "--sink"]);
    let locked = Connection::open(store.url().strip_prefix("sqlite:").unwrap()).unwrap();
    locked.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(sink.client().exchange(REQUEST).status(), 204);
    let request = Request::post("http://api.example.com/x.Greeter/Hello").header("content-type", "application/grpc");
    let answer = Http2Client::connect(sink.addr()).exchange(request.body(Bytes::new()).unwrap());
    assert_eq!((answer.head.status().as_u16(), answer.head.headers()["grpc-status"].as_bytes()), (200, &b"0"[..]));
    assert_eq!((sink.ledger().seen, sink.ledger().state("recorded")), (2, 0), "nothing can be stored yet");
    locked.execute_batch("ROLLBACK").unwrap();
    sink.until("both are recorded", |ledger| ledger.state("recorded") == 2);
    sink.drain();
}

#[test]
fn what_envoy_mirrors_by_its_route_for_grpc_is_recorded_as_its_client_sent_it() {
    let (upstream, store) = (Receiver::start(), TestStore::sqlite());
    let sink = TestRecorder::with(&["--store", store.url(), "--sink"]);
    let proxy = Proxy::envoy_mirror(upstream.addr(), sink.addr());
    let mut client = Http2Client::connect(proxy.addr());
    let request = Request::post("http://api.example.com:8443/x?y").header("content-type", "application/grpc");
    let request = request.header("x-a", "1").body(Bytes::from_static(b"body")).unwrap();
    assert_eq!(client.exchange(request).head.status(), 200);
    sink.until("the copy is recorded", |ledger| ledger.state("recorded") == 1);
    drop((client, proxy));
    sink.drain();
    let exchange = store.exchanges().remove(0);
    let request = &exchange.request;
    assert_eq!((request.version, text(&request.authority)), (HttpVersion::Http2, "api.example.com:8443".into()));
    assert_eq!((text(&request.target), &request.body.bytes[..]), ("/x?y".into(), &b"body"[..]));
    assert_eq!(fields(&exchange), are(&[("content-type", "application/grpc"), ("x-a", "1")]));
}

/// What the documents of `deploy/` say of Envoy's mirror, and why gRPC has a cluster of its own.
#[test]
fn envoys_mirror_goes_by_its_clusters_protocol_and_not_by_the_clients() {
    let (upstream, store) = (Receiver::start(), TestStore::sqlite());
    let sink = TestRecorder::with(&["--store", store.url(), "--sink"]);
    let proxy = Proxy::envoy_mirror(upstream.addr(), sink.addr());
    let mut client = Http2Client::connect(proxy.addr());
    let request = Request::get("http://api.example.com/x").body(Bytes::new()).unwrap();
    assert_eq!(client.exchange(request).head.status(), 200);
    sink.until("the copy is recorded", |ledger| ledger.state("recorded") == 1);
    drop((client, proxy));
    sink.drain();
    assert_eq!((upstream.http2_count(), store.exchanges().remove(0).request.version), (1, HttpVersion::Http11));
}

#[test]
fn a_grpc_call_that_envoy_mirrors_is_recorded_and_disturbs_nobody() {
    let (greeter, store) = (Greeter::start(), TestStore::sqlite());
    let sink = TestRecorder::with(&["--store", store.url(), "--sink"]);
    let proxy = Proxy::envoy_mirror(greeter.addr(), sink.addr());
    let mut client = GrpcClient::connect(proxy.addr(), "greeter.example.com");
    client.say_hello(tonic::Request::new(hello("mirror", 1))).unwrap();
    assert_eq!(greeter.wait_for(1).len(), 1);
    sink.until("the copy is recorded", |ledger| ledger.state("recorded") == 1);
    drop((client, proxy));
    sink.drain();
    let request = store.exchanges().remove(0).request;
    assert!(request.is_grpc() && memory_holds(&request.body.bytes, b"mirror"), "{request:?}");
    assert_eq!(text(&request.authority), "greeter.example.com");
}

#[test]
fn what_nginx_mirrors_is_recorded_as_its_client_sent_it() {
    for exchange in mirrored(Proxy::nginx_mirror) {
        assert_is_the_request(&exchange);
        // nginx's $host has no port and is in lower case: its configuration says what the host is.
        let expected = [
            ("host", "api.example.com"),
            ("x-b", "2"),
            ("x-a", "1"),
            ("x-forwarded-for", "192.0.2.7"),
            ("cookie", "***"),
            ("content-type", "application/json"),
            ("x-b", "3"),
        ];
        assert_eq!(fields(&exchange), are(&expected));
    }
}

#[test]
fn what_a_lua_action_of_haproxy_copies_is_recorded() {
    for exchange in mirrored(Proxy::haproxy_mirror) {
        assert_is_the_request(&exchange);
        let mut fields = fields(&exchange);
        fields.sort();
        // Lua's table of headers has no order, and its HTTP client adds what the client did not send.
        let expected = [
            ("accept", "*/*"),
            ("content-type", "application/json"),
            ("cookie", "***"),
            ("host", "API.example.com:8443"),
            ("user-agent", "HAProxy"),
            ("x-a", "1"),
            ("x-b", "2"),
            ("x-b", "3"),
            ("x-forwarded-for", "192.0.2.7"),
        ];
        assert_eq!(fields, are(&expected));
    }
}
