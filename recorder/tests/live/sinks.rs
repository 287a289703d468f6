//! Sink mode: another proxy's mirror is answered here.

use bytes::Bytes;
use http_body_util::Full;
use umbra_common::exchange::Ending;

use crate::harness::Bench;
use crate::http2;

#[test]
fn a_mirrored_request_is_taken_with_its_own_host_and_answered_204() {
    let bench = Bench::with(&["--sink"]);
    let mut client = bench.client();
    for _ in 0..2 {
        client.send("POST /x HTTP/1.1\r\nHost: api-shadow:8000\r\ncontent-length: 5\r\n\r\nhello");
        let answer = client.head();
        assert!(answer.starts_with("HTTP/1.1 204 ") && !answer.contains("content-length"), "{answer}");
    }
    drop(client);
    let (ledger, exchanges) = bench.drain();
    assert_eq!(ledger.to_string(), "seen 2 = recorded 2");
    let exchange = &exchanges[0];
    assert_eq!((&exchange.request.authority[..], &exchange.request.body.bytes[..]), (&b"api:8000"[..], &b"hello"[..]));
    assert_eq!(exchange.request.headers.get("host"), Some(&b"api:8000"[..]));
    assert_eq!((exchange.ending, exchange.response.is_none()), (Ending::Sunk, true));
}

#[test]
fn a_mirrored_grpc_call_is_answered_ok_without_a_message() {
    let bench = Bench::with(&["--sink"]);
    let request = http::Request::post("http://greeter-shadow/helloworld.Greeter/SayHello")
        .header("content-type", "application/grpc")
        .body(Full::new(Bytes::from_static(b"\0\0\0\0\0")))
        .unwrap();
    let (head, body) = http2::call(bench.recorder.addr(), request);
    assert_eq!((head.status.as_u16(), &head.headers["grpc-status"]), (200, &"0".parse().unwrap()));
    assert!(body.is_empty());
    let (_, exchanges) = bench.drain();
    assert_eq!(&exchanges[0].request.authority[..], b"greeter");
}
