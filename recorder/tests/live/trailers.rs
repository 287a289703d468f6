//! Trailers both ways.

use crate::harness::{Bench, Origin};

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

#[test]
fn trailers_pass_both_ways_and_are_recorded_as_they_came() {
    let origin = Origin::run(|mut wire| {
        let head = wire.head().to_lowercase();
        assert!(head.contains("te: trailers\r\n") && head.contains("connection: te\r\n"), "{head}");
        assert!(head.contains("trailer: x-sum, host"), "{head}");
        let body = wire.read_until("0\r\n") + &wire.head();
        assert!(body.to_lowercase().contains("\r\nx-sum: 1\r\n") && !body.contains("evil"), "{body}");
        wire.send(format!("HTTP/1.1 200 OK\r\n{CHUNKED}Trailer: X-End, Content-Length\r\n\r\n"));
        wire.send("2\r\nok\r\n0\r\nX-End: 2\r\nContent-Length: 5\r\n\r\n");
    });
    let bench = Bench::before(&origin, &["--responses", "full"]);
    let mut client = bench.client();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTE: gzip, trailers\r\n{CHUNKED}Trailer: X-Sum, Host\r\n\r\n\
         4\r\nbody\r\n0\r\nX-Sum: 1\r\nHost: evil\r\n\r\n"
    ));
    assert!(client.head().to_lowercase().contains("trailer: x-end, content-length"));
    let body = client.read_until("0\r\n") + &client.head();
    assert!(body.to_lowercase().ends_with("0\r\nx-end: 2\r\n\r\n"), "{body}");
    drop(client);
    let (_, exchanges) = bench.drain();
    let [exchange] = &exchanges[..] else { panic!("{exchanges:?}") };
    let trailers: Vec<_> = exchange.request.trailers.iter().collect();
    assert_eq!(trailers, [(&b"x-sum"[..], &b"1"[..]), (b"host", b"evil")]);
    let trailers: Vec<_> = exchange.response.as_ref().unwrap().trailers.iter().collect();
    assert_eq!(trailers, [(&b"x-end"[..], &b"2"[..]), (b"content-length", b"5")]);
}

#[test]
fn a_client_that_does_not_take_trailers_gets_the_body_without() {
    let origin = Origin::run(|mut wire| {
        assert!(!wire.head().to_lowercase().contains("te: "));
        wire.send(format!("HTTP/1.1 200 OK\r\n{CHUNKED}Trailer: X-End\r\n\r\n2\r\nok\r\n0\r\nX-End: 2\r\n\r\n"));
    });
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.head();
    assert_eq!(client.head(), "2\r\nok\r\n0\r\n\r\n");
    drop(client);
    let (_, exchanges) = bench.drain();
    assert_eq!(exchanges[0].response.as_ref().unwrap().trailers.get("x-end"), Some(&b"2"[..]));
}
