//! What a client sends reaches the origin and the store as it was sent, and the answer reaches the client.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use umbra_common::exchange::{Ending, Exchange, Fields, HttpVersion, Scheme};
use umbra_tests::http2::Http2Client;
use umbra_tests::origin::{Answer, Origin};
use umbra_tests::receiver::{Counted, Receiver};
use umbra_tests::recorder::TestRecorder;
use umbra_tests::stores::TestStore;
use umbra_tests::wire::{Head, RawResponse};

use crate::both_stores::on_both_stores;

/// What the recorder adds towards the origin, and nothing else.
const ADDED: [&str; 3] = ["via", "x-forwarded-for", "x-forwarded-proto"];

/// Sends requests over one connection through a recorder to `origin`, until all of them are stored.
fn record(store: &TestStore, origin: &Origin, flags: &[&str], requests: &[&[u8]]) -> (Vec<RawResponse>, Vec<Exchange>) {
    let recorder = TestRecorder::start(store, &origin.url(), flags);
    let mut client = recorder.client();
    let responses = requests.iter().map(|r| client.exchange(r)).collect();
    drop(client);
    let ledger = recorder.drain();
    assert_eq!(ledger.state("recorded"), requests.len() as u64, "{ledger}");
    (responses, store.exchanges())
}

/// A head's fields without those that the recorder adds.
fn without_added(head: &Head) -> Vec<(Vec<u8>, Vec<u8>)> {
    let added = |name: &[u8]| ADDED.iter().any(|a| name.eq_ignore_ascii_case(a.as_bytes()));
    head.fields().into_iter().filter(|(name, _)| !added(name)).collect()
}

fn pairs(fields: &Fields) -> Vec<(String, Vec<u8>)> {
    fields.iter().map(|(n, v)| (String::from_utf8_lossy(n).into_owned(), v.to_vec())).collect()
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

const ODD: &[u8] = b"POST /odd/%7E/..//x;a?q=%C3%A9&r=a+b&&=#|{} HTTP/1.1\r\n";

/// A request with everything in it that intermediaries like to change.
fn odd_request() -> Vec<u8> {
    let line = ODD.iter().filter(|b| **b != b'#').copied().collect::<Vec<_>>();
    let fields: &[u8] = b"Host: API.example.com:8080\r\nX-Odd: \x80\xff caf\xe9\r\nx-dup: 1\r\nx-Empty:\r\n\
        X-Dup: 2\r\nX-List: a, b,,c\r\nContent-Type: application/octet-stream\r\nContent-Length: 6\r\n\r\n";
    [&line, fields, b"\0\xff\r\n!\x80"].concat()
}

on_both_stores! {
    fn an_odd_request_arrives_as_it_was_sent_and_is_stored_so(store: &TestStore) {
        let origin = Origin::start();
        let request = odd_request();
        let (responses, exchanges) = record(store, &origin, &[], &[&request]);
        assert_eq!(responses[0].text(), "ok");

        let received = origin.only();
        let sent: Vec<(&[u8], &[u8])> = vec![
            (b"Host", b"API.example.com:8080"), (b"X-Odd", b"\x80\xff caf\xe9"), (b"x-dup", b"1"), (b"x-Empty", b""),
            (b"X-Dup", b"2"), (b"X-List", b"a, b,,c"), (b"Content-Type", b"application/octet-stream"),
            (b"Content-Length", b"6"),
        ];
        let target = b"/odd/%7E/..//x;a?q=%C3%A9&r=a+b&&=|{}";
        assert_eq!(text(received.head.target()), text(target));
        let passed = without_added(&received.head);
        let expected: Vec<_> = sent.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
        assert_eq!(passed, expected, "order, case and bytes");
        assert_eq!(received.body.raw, b"\0\xff\r\n!\x80");

        let [exchange] = &exchanges[..] else { panic!("{exchanges:?}") };
        let stored = &exchange.request;
        assert_eq!((text(&stored.method), text(&stored.target)), ("POST".into(), text(target)));
        assert_eq!((stored.version, stored.scheme), (HttpVersion::Http11, Scheme::Http));
        assert_eq!(text(&stored.authority), "API.example.com:8080");
        let lower = |(n, v): &(&[u8], &[u8])| (text(&n.to_ascii_lowercase()), v.to_vec());
        assert_eq!(pairs(&stored.headers), sent.iter().map(lower).collect::<Vec<_>>());
        assert_eq!((&stored.body.bytes[..], stored.body.length), (&b"\0\xff\r\n!\x80"[..], 6));
        assert_eq!(exchange.ending, Ending::Complete);
        assert_eq!(exchange.upstream.as_ref(), origin.url());
        assert!(exchange.client.is_some_and(|c| c.ip().is_loopback()));
        let response = exchange.response.as_ref().expect("heads of responses are recorded");
        assert_eq!((response.status, response.headers.get("content-length")), (200, Some(&b"2"[..])));
        assert!(response.first_byte <= exchange.total);
    }

    fn chunks_and_trailers_pass_both_ways(store: &TestStore) {
        let origin = Origin::with(|_| Answer::unread().read_body().send(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
             3\r\none\r\n3\r\ntwo\r\n0\r\nx-sum: 6\r\n\r\n",
        ));
        let request = b"POST /up HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te\r\ntransfer-encoding: chunked\r\ntrailer: x-check\r\n\r\n\
            5\r\nhello\r\n7\r\n, world\r\n0\r\nx-check: \xe9\r\n\r\n";
        let (responses, exchanges) = record(store, &origin, &["--responses", "full"], &[request]);
        assert_eq!(responses[0].text(), "onetwo");
        assert_eq!(responses[0].body.trailers, [(b"x-sum".to_vec(), b"6".to_vec())]);

        let received = origin.only();
        assert_eq!(received.head.get("transfer-encoding"), "chunked");
        assert_eq!(received.body.bytes, b"hello, world");
        assert_eq!(received.body.trailers, [(b"x-check".to_vec(), b"\xe9".to_vec())]);

        let exchange = &exchanges[0];
        assert_eq!(&exchange.request.body.bytes[..], b"hello, world");
        assert_eq!(pairs(&exchange.request.trailers), [("x-check".to_owned(), b"\xe9".to_vec())]);
        let response = exchange.response.as_ref().unwrap();
        assert_eq!(&response.body.bytes[..], b"onetwo");
        assert_eq!(pairs(&response.trailers), [("x-sum".to_owned(), b"6".to_vec())]);
    }

    fn every_form_of_request_passes_on_one_connection(store: &TestStore) {
        let origin = Origin::with(|head| match head.target() {
            b"/none" => Answer::status(204, &[], ""),
            b"/fresh" => Answer::unread().send("HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\n\r\n"),
            b"/gone" => Answer::status(404, &[], "gone"),
            _ => Answer::ok("body"),
        });
        let requests: [&[u8]; 8] = [
            b"HEAD /head HTTP/1.1\r\nhost: a\r\n\r\n",
            b"POST /empty HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
            b"DELETE /none HTTP/1.1\r\nhost: a\r\n\r\n",
            b"GET /fresh HTTP/1.1\r\nhost: a\r\nif-none-match: \"1\"\r\n\r\n",
            b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
            b"GET http://a/absolute?q HTTP/1.1\r\nhost: a\r\n\r\n",
            b"PURGE /own-method HTTP/1.1\r\nhost: a\r\n\r\n",
            b"GET /gone HTTP/1.1\r\nhost: a\r\n\r\n",
        ];
        let (responses, exchanges) = record(store, &origin, &[], &requests);
        let statuses: Vec<_> = responses.iter().map(RawResponse::status).collect();
        assert_eq!(statuses, [200, 200, 204, 304, 200, 200, 200, 404]);
        assert_eq!(responses[0].head.get("content-length"), "4");

        let stored: Vec<_> =
            exchanges.iter().map(|e| format!("{} {}", text(&e.request.method), text(&e.request.target))).collect();
        assert_eq!(stored, [
            "HEAD /head", "POST /empty", "DELETE /none", "GET /fresh", "OPTIONS *", "GET http://a/absolute?q",
            "PURGE /own-method", "GET /gone",
        ]);
        let recorded: Vec<_> = exchanges.iter().map(|e| e.response.as_ref().map_or(0, |r| r.status)).collect();
        assert_eq!(recorded, statuses);
        let arrived: Vec<_> = origin.requests().iter().map(|r| text(r.head.target())).collect();
        assert_eq!(arrived[4..6], ["*", "/absolute?q"]);
    }
}

#[test]
fn an_http2_request_is_stored_with_its_authority_and_its_trailers() {
    let (upstream, store) = (Receiver::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &format!("h2c://{}", upstream.addr()), &[]);
    let mut client = Http2Client::connect(recorder.addr());
    let odd = HeaderValue::from_bytes(b"\x80\xff").unwrap();
    let request = Request::post("http://api.example.com:8443/a?b=%20").header("x-odd", odd).header("x-dup", "1");
    let request = request.header("x-dup", "2").body(Bytes::from_static(b"body")).unwrap();
    let trailers: HeaderMap = [(HeaderName::from_static("x-sum"), HeaderValue::from_static("4"))].into_iter().collect();
    assert_eq!(client.try_exchange(request, trailers).unwrap().head.status(), 200);
    drop(client);
    recorder.drain();
    let request = store.exchanges().remove(0).request;
    assert_eq!((request.version, text(&request.authority)), (HttpVersion::Http2, "api.example.com:8443".to_owned()));
    assert_eq!((text(&request.target), &request.body.bytes[..]), ("/a?b=%20".to_owned(), &b"body"[..]));
    assert_eq!(request.headers.get("x-odd"), Some(&b"\x80\xff"[..]));
    assert_eq!(request.headers.get_all("x-dup").collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!(pairs(&request.trailers), [("x-sum".to_owned(), b"4".to_vec())]);
    assert_eq!(upstream.http2_count(), 1);
    assert_eq!(upstream.multiset()[&Counted::new("POST", "/a?b=%20", b"body", "api.example.com:8443")], 1);
}

#[test]
fn responses_are_recorded_as_far_as_asked() {
    for (asked, status, body) in [("off", None, ""), ("head", Some(200), ""), ("full", Some(200), "ok")] {
        let store = TestStore::sqlite();
        let (_, exchanges) =
            record(&store, &Origin::start(), &["--responses", asked], &[b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"]);
        let response = exchanges[0].response.as_ref();
        assert_eq!(response.map(|r| r.status), status, "{asked}");
        assert_eq!(response.map_or(String::new(), |r| text(&r.body.bytes)), body, "{asked}");
        assert_eq!(response.map_or(2, |r| r.body.length), 2, "a body's true length is known: {asked}");
    }
}

#[test]
fn a_response_is_stored_as_its_origin_wrote_it() {
    let fields = "X-Dup: 1\r\nServer:\todd \r\nx-dup: 2\r\nX-Empty:\r\nX-DUP: 3\r\n";
    let body = "key: value\r\n\r\nlast";
    let sized = format!("Content-Length: {}\r\n\r\n{body}", body.len());
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for (framed, interim) in [(&sized, ""), (&chunked, ""), (&sized, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")]
    {
        let answer = format!("{interim}HTTP/1.1 200 Fine\r\n{fields}{framed}");
        let (origin, store) = (Origin::with(move |_| Answer::unread().send(answer.clone())), TestStore::sqlite());
        let (_, exchanges) = record(&store, &origin, &[], &[b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"]);
        let stored = pairs(&exchanges[0].response.as_ref().unwrap().headers);
        let expected = [("x-dup", "1"), ("server", "odd"), ("x-dup", "2"), ("x-empty", ""), ("x-dup", "3")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        assert_eq!(stored[..5], expected);
        assert_eq!(stored.len(), 6, "then how long the body is, and nothing of the body: {stored:?}");
    }
}

#[test]
fn fields_between_two_neighbours_go_no_further() {
    let origin = Origin::start();
    let store = TestStore::sqlite();
    let request =
        b"GET / HTTP/1.1\r\nhost: a\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
        Proxy-Authorization: Basic x\r\nTE: gzip\r\nX-Stays: 2\r\n\r\n";
    record(&store, &origin, &[], &[request]);
    let head = origin.only().head;
    let names: Vec<_> = without_added(&head).iter().map(|(n, _)| text(n).to_lowercase()).collect();
    for gone in ["x-hop", "keep-alive", "te"] {
        assert!(!names.contains(&gone.to_owned()), "{gone} in {head:?}");
    }
    assert!(names.contains(&"x-stays".to_owned()), "{head:?}");
    assert_eq!(head.get("x-forwarded-for"), "127.0.0.1");
    assert_eq!(head.get("x-forwarded-proto"), "http");
    assert!(!head.get("via").is_empty());
}
