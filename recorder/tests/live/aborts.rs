//! Either side may leave at any time: the other side's end is closed, and the record says who left.

use umbra_common::exchange::Ending;

use crate::harness::{Bench, Origin, eventually};

#[test]
fn a_client_that_leaves_ends_the_request_at_the_origin() {
    let (say, heard) = crossbeam_channel::bounded(2);
    let origin = Origin::run(move |mut wire| {
        say.send(wire.head()).unwrap();
        say.send(wire.read_to_end()).unwrap();
    });
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    heard.recv().unwrap();
    drop(client);
    assert_eq!(heard.recv().unwrap(), "");
    let (_, exchanges) = bench.drain();
    assert_eq!((exchanges[0].ending, exchanges[0].response.is_none()), (Ending::ClientAborted, true));
}

#[test]
fn a_client_that_leaves_in_its_body_ends_it_at_the_origin() {
    let (say, heard) = crossbeam_channel::bounded(2);
    let origin = Origin::run(move |mut wire| {
        say.send(wire.read_until("half")).unwrap();
        say.send(wire.read_to_end()).unwrap();
    });
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf");
    heard.recv().unwrap();
    drop(client);
    assert_eq!(heard.recv().unwrap(), "");
    let (_, exchanges) = bench.drain();
    assert_eq!(exchanges[0].ending, Ending::ClientAborted);
    assert_eq!(&exchanges[0].request.body.bytes[..], b"half");
}

#[test]
fn an_origin_that_breaks_off_ends_the_response() {
    let origin = Origin::run(|mut wire| {
        wire.head();
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    });
    let bench = Bench::before(&origin, &["--responses", "full"]);
    let mut client = bench.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(client.read_to_end().ends_with("half"));
    let (_, exchanges) = bench.drain();
    assert_eq!(exchanges[0].ending, Ending::UpstreamError);
    assert_eq!(exchanges[0].response.as_ref().map(|r| &r.body.bytes[..]), Some(&b"half"[..]));
}

#[test]
fn an_origin_that_says_nothing_is_a_502_or_a_504_and_recorded_so() {
    let closes = Origin::run(|mut wire| drop(wire.head()));
    let silent = Origin::run(|mut wire| drop(wire.read_to_end()));
    for (origin, status, ending) in [(closes, 502, Ending::UpstreamError), (silent, 504, Ending::Timeout)] {
        let bench = Bench::before(&origin, &["--upstream-timeout", "100ms"]);
        let mut client = bench.client();
        client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi");
        assert!(client.head().starts_with(&format!("HTTP/1.1 {status} ")));
        drop(client);
        let (_, exchanges) = bench.drain();
        assert_eq!(exchanges[0].ending, ending);
        assert_eq!(exchanges[0].response.as_ref().map(|r| r.status), Some(status));
    }
}

#[test]
fn a_connection_that_the_origin_has_closed_fails_no_request() {
    // It closes each connection after one response, without saying so first.
    let origin = Origin::run(|mut wire| {
        wire.head();
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    });
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    for n in 1..=20 {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert!(client.head().starts_with("HTTP/1.1 200 "));
        eventually("the recorder has seen the close", || bench.recorder.ledger().state("recorded") >= n);
    }
    assert_eq!(origin.connections(), 20);
}

#[test]
fn a_request_that_finds_its_connection_closed_goes_out_by_another_as_it_came() {
    // It closes each connection after one response, which the next request may be the first to learn.
    let origin = Origin::run(|mut wire| {
        let head = wire.head();
        wire.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{head}", head.len()));
    });
    let bench = Bench::before(&origin, &[]);
    let exchanges = || {
        let mut client = bench.client();
        for _ in 0..50 {
            client.send("GET / HTTP/1.1\r\nHost: a\r\nX-oDD: 1\r\n\r\n");
            if client.head().starts_with("HTTP/1.1 502 ") {
                // Closed while the request was on its way: nobody can know whether it was handled.
                client.read_until("no answer\n");
            } else {
                let came = client.head();
                assert!(came.contains("\r\nX-oDD: 1\r\n"), "{came}");
            }
        }
    };
    std::thread::scope(|clients| (0..8).for_each(|_| _ = clients.spawn(exchanges)));
}
