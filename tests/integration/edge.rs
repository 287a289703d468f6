//! What an intermediary could be fooled by is refused before it reaches anyone, and counted.

use umbra_common::exchange::Ending;
use umbra_tests::origin::Origin;
use umbra_tests::recorder::TestRecorder;
use umbra_tests::stores::TestStore;

/// Requests that two servers could read differently, with the status they get.
const REFUSED: [(&str, u16); 27] = [
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: a b\r\n\r\n", 400),
    ("GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +3\r\n\r\nabc", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0x3\r\n\r\nabc", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3, 3\r\n\r\nabc", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: a\r\nx-a : b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: a\r\nx-a: b\r\n c\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: a\r\nx-a: b\0c\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: a\r\nx-a: b\rc\r\n\r\n", 400),
    ("GET * HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("CONNECT b:443 HTTP/1.1\r\nhost: b:443\r\n\r\n", 405),
    ("GET / HTTP/1.2\r\nhost: a\r\n\r\n", 505),
    ("GET / HTTP/3.0\r\nhost: a\r\n\r\n", 505),
    ("GET /\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", 400),
];

#[test]
fn what_could_fool_an_intermediary_is_refused_and_closed() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    for (request, status) in REFUSED {
        let mut client = recorder.client();
        client.send(request);
        let response = client.response();
        assert_eq!(response.status(), status, "{}", request.escape_debug());
        assert!(client.is_closed_by_peer(), "still open after {}", request.escape_debug());
    }
    // A good request behind a bad one on the same connection must not be read as one.
    let mut client = recorder.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.response().status(), 400);
    assert!(client.is_closed_by_peer());
    drop(client);
    let heads: Vec<_> = origin.requests().iter().filter(|r| r.body.complete).map(|r| r.head.clone()).collect();
    assert!(heads.is_empty(), "whole requests reached the origin: {heads:?}");
    let ledger = recorder.drain();
    // Three have a good head and break in the body: what came of them is recorded, as half a request.
    assert_eq!(ledger.to_string(), "seen 28 = recorded 3 + skipped{refused} 25");
    assert!(store.exchanges().iter().all(|e| e.ending == Ending::ClientAborted && e.request.body.truncated));
}

#[test]
fn heads_and_targets_beyond_the_limits_are_refused() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    let fields: String = (0..129).map(|i| format!("x-{i}: 1\r\n")).collect();
    let large = "x".repeat(70_000);
    for (request, status) in [
        (format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nhost: a\r\nx-large: {large}\r\n\r\n"), 431),
        (format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", &large[..33_000]), 414),
    ] {
        let mut client = recorder.client();
        // The answer may come, and the connection be closed, before all of it is sent.
        let _ = client.try_send(request);
        assert_eq!(client.response().status(), status);
    }
    assert_eq!(origin.begun(), 0);
    recorder.drain();
}
