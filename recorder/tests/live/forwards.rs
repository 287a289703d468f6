//! What passes, and what is added on the way.

use crate::harness::{Bench, Origin};

#[test]
fn pipelined_requests_are_answered_in_order() {
    let bench = Bench::before(&Origin::echo(), &[]);
    let mut client = bench.client();
    client.send("GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n");
    for n in 1..=2 {
        client.head();
        assert!(client.head().starts_with(&format!("GET /{n} ")));
    }
}

#[test]
fn the_origin_sees_who_asked_and_a_marked_request_is_not_recorded() {
    let bench = Bench::before(&Origin::echo(), &[]);
    let mut client = bench.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\numbra-shadow: job\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n");
    client.head();
    let seen = client.head();
    for field in ["Host: a\r\n", "umbra-shadow: job\r\n", "X-Forwarded-For: 10.0.0.1, 127.0.0.1\r\n"] {
        assert!(seen.contains(field), "{seen}");
    }
    assert!(seen.contains("x-forwarded-proto: http\r\n") && seen.contains("via: 1.1 umbra\r\n"), "{seen}");
    drop(client);
    assert_eq!(bench.drain().0.to_string(), "seen 1 = skipped{marked} 1");
}

#[test]
fn secrets_reach_the_origin_and_not_the_store() {
    let bench = Bench::before(&Origin::echo(), &["--redact-header", "X-Session", "--keep-header", "x-api-key"]);
    let mut client = bench.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\nCookie: hunter2\r\nx-session: hunter3\r\nx-api-key: k\r\n\r\n");
    client.head();
    let seen = client.head();
    assert!(seen.contains("hunter2") && seen.contains("hunter3"), "{seen}");
    drop(client);
    let (_, exchanges) = bench.drain();
    let headers = &exchanges[0].request.headers;
    assert_eq!(headers.get("cookie"), Some(&b"***"[..]));
    assert_eq!(headers.get("x-session"), Some(&b"***"[..]));
    assert_eq!(headers.get("x-api-key"), Some(&b"k"[..]));
}

#[test]
fn sampling_at_nothing_records_nothing_and_counts_it() {
    let bench = Bench::before(&Origin::echo(), &["--sample", "0%"]);
    let mut client = bench.client();
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        client.head();
        client.head();
    }
    drop(client);
    let (ledger, exchanges) = bench.drain();
    assert_eq!((ledger.to_string().as_str(), exchanges.len()), ("seen 3 = sampled_out 3", 0));
}

#[test]
fn a_dead_store_fails_no_request() {
    let origin = Origin::echo();
    let upstream = format!("http://{}", origin.addr);
    // Nothing listens on port 1.
    let bench = Bench::with(&["--upstream", &upstream, "--store", "kafka://127.0.0.1:1/t", "--drain-timeout", "1s"]);
    let mut client = bench.client();
    for _ in 0..10 {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert!(client.head().starts_with("HTTP/1.1 200 "));
        client.head();
    }
    assert!(bench.admin("/readyz").starts_with("HTTP/1.1 200 "));
    drop(client);
    let ledger = bench.recorder.drain();
    assert_eq!((ledger.seen, ledger.state("dropped"), ledger.open()), (10, 10, 0), "{ledger}");
}
