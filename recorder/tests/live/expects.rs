//! `Expect: 100-continue` is the origin's to decide.

use crate::harness::{Bench, Origin};

const HEAD: &str = "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";

#[test]
fn the_client_is_told_to_go_on_when_the_origin_says_so() {
    let (go, wait) = crossbeam_channel::bounded(0);
    let (say, heard) = crossbeam_channel::bounded(1);
    let origin = Origin::run(move |mut wire| {
        say.send(wire.head()).unwrap();
        assert!(wire.is_silent());
        wait.recv().unwrap();
        wire.send("HTTP/1.1 100 Continue\r\n\r\n");
        assert_eq!(wire.read_until("hello"), "hello");
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    });
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    client.send(HEAD);
    assert!(heard.recv().unwrap().contains("expect: 100-continue"));
    assert!(client.is_silent());
    go.send(()).unwrap();
    assert!(client.head().starts_with("HTTP/1.1 100 "));
    client.send("hello");
    assert!(client.head().starts_with("HTTP/1.1 200 "));
    drop(client);
    let (_, exchanges) = bench.drain();
    assert_eq!(&exchanges[0].request.body.bytes[..], b"hello");
}

#[test]
fn an_origin_that_wants_no_body_never_gets_one() {
    let origin = Origin::run(|mut wire| {
        wire.head();
        wire.send("HTTP/1.1 417 Expectation Failed\r\ncontent-length: 2\r\n\r\nno");
        assert_eq!(wire.read_to_end(), "");
    });
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    client.send(HEAD);
    let answer = client.read_to_end();
    assert!(answer.starts_with("HTTP/1.1 417 ") && answer.ends_with("no"), "{answer}");
    let (ledger, exchanges) = bench.drain();
    assert_eq!(ledger.to_string(), "seen 1 = recorded 1");
    assert_eq!(exchanges[0].response.as_ref().map(|r| r.status), Some(417));
}

#[test]
fn an_origin_that_knows_no_expect_gets_the_body_after_a_while() {
    let origin = Origin::run(|mut wire| {
        wire.head();
        assert_eq!(wire.read_until("hello"), "hello");
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    });
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    client.send(HEAD);
    assert!(client.head().starts_with("HTTP/1.1 100 "));
    client.send("hello");
    assert!(client.head().starts_with("HTTP/1.1 200 "));
}
