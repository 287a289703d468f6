//! Interim responses (1xx) reach the clients that know them, and never break into another response.

use crate::harness::{Bench, Origin};

const HINT: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

#[test]
fn hints_come_before_the_origin_has_answered() {
    let (go, wait) = crossbeam_channel::bounded::<()>(0);
    let origin = Origin::run(move |mut wire| {
        while wire.more() {
            wire.head();
            wire.send(HINT);
            wait.recv().unwrap();
            wire.send(["HTTP/1.1 102 Processing\r\n\r\n", HINT, OK].concat());
        }
    });
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    for n in 0..3 {
        client.send(get(&format!("/{n}")));
        let hint = client.head().to_lowercase();
        assert!(hint.starts_with("http/1.1 103 early hints\r\n"), "{hint}");
        assert!(hint.contains("link: </a.css>; rel=preload\r\n") && !hint.contains("x-hop"), "{hint}");
        go.send(()).unwrap();
        for status in ["102", "103", "200"] {
            let head = client.head();
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        }
        assert_eq!(client.read_until("ok"), "ok");
    }
    drop(client);
    let (ledger, exchanges) = bench.drain();
    assert_eq!(ledger.to_string(), "seen 3 = recorded 3");
    assert!(exchanges.iter().all(|e| e.response.as_ref().is_some_and(|r| r.status == 200)));
}

#[test]
fn hints_come_however_they_are_written() {
    let lone = "HTTP/1.1 103 Early Hints\nLink: </a.css>; rel=preload\nConnection: x-hop\nX-Hop: 1\n\n";
    let origin = Origin::run(move |mut wire| {
        while wire.more() {
            wire.head();
            for byte in [HINT, lone, HINT].concat().bytes() {
                wire.send([byte]);
            }
            wire.send([HINT, lone, OK].concat());
        }
    });
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    for _ in 0..2 {
        client.send(get("/"));
        for _ in 0..3 {
            let hint = client.head().to_lowercase();
            assert!(hint.starts_with("http/1.1 103 early hints\r\n") && !hint.contains("x-hop"), "{hint}");
            assert_eq!(hint.matches("link: </a.css>; rel=preload\r\n").count(), 1, "{hint}");
        }
        // The two that come at once with the answer are as many or fewer: the answer does not wait for them.
        let mut head = client.head();
        let mut more = 0;
        while head.starts_with("HTTP/1.1 103 ") {
            more += 1;
            head = client.head();
        }
        assert!(more <= 2 && head.starts_with("HTTP/1.1 200 "), "{more} and {head}");
        assert_eq!(client.read_until("ok"), "ok");
    }
}

#[test]
fn an_older_client_gets_none() {
    let bench = Bench::before(
        &Origin::run(|mut wire| {
            wire.head();
            wire.send([HINT, OK].concat());
        }),
        &[],
    );
    let mut client = bench.client();
    client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    let answer = client.read_to_end();
    assert!(answer.starts_with("HTTP/1.0 200 ") && !answer.contains("103"), "{answer}");
}

#[test]
fn hints_for_one_request_come_behind_the_whole_answer_to_the_one_before() {
    const LARGE: usize = 4 << 20;
    let origin = Origin::run(|mut wire| {
        while wire.more() {
            if wire.head().starts_with("GET /large ") {
                wire.send(format!("{HINT}HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n"));
                wire.send(vec![b'x'; LARGE]);
            } else {
                wire.send([HINT, HINT, OK].concat());
            }
        }
    });
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    // Pipelined, and read only when the first answer has filled every buffer on the way.
    client.send([get("/large"), get("/2"), get("/3")].concat());
    assert!(client.head().starts_with("HTTP/1.1 103 "));
    assert!(client.head().starts_with("HTTP/1.1 200 "));
    assert!(client.exactly(LARGE).iter().all(|b| *b == b'x'));
    for _ in 0..2 {
        let mut interim = 0;
        loop {
            let head = client.head();
            if head.starts_with("HTTP/1.1 200 ") {
                break;
            }
            assert!(head.starts_with("HTTP/1.1 103 "), "{head}");
            interim += 1;
        }
        assert!(interim <= 2);
        assert_eq!(client.read_until("ok"), "ok");
    }
}

#[test]
fn hints_and_a_100_come_to_who_expects_it() {
    let origin = Origin::run(|mut wire| {
        wire.head();
        wire.send([HINT, "HTTP/1.1 100 Continue\r\n\r\n"].concat());
        assert_eq!(wire.read_until("hello"), "hello");
        wire.send([HINT, OK].concat());
    });
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let mut before = [client.head(), client.head()].map(|head| head[9..12].to_owned());
    before.sort();
    assert_eq!(before, ["100", "103"]);
    client.send("hello");
    assert!(client.head().starts_with("HTTP/1.1 103 "));
    assert!(client.head().starts_with("HTTP/1.1 200 "));
}

#[test]
fn an_unasked_100_is_passed_on_too() {
    let origin = Origin::run(|mut wire| {
        wire.head();
        wire.send(["HTTP/1.1 100 Continue\r\n\r\n", OK].concat());
    });
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    client.send(get("/"));
    assert!(client.head().starts_with("HTTP/1.1 100 "));
    assert!(client.head().starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_flood_of_hints_costs_no_memory_and_no_answer() {
    let origin = Origin::run(|mut wire| {
        wire.head();
        for _ in 0..20_000 {
            wire.send(HINT);
        }
        wire.send(OK);
    });
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    client.send(get("/"));
    loop {
        let head = client.head();
        if head.starts_with("HTTP/1.1 200 ") {
            break;
        }
        assert!(head.starts_with("HTTP/1.1 103 "), "{head}");
    }
    assert_eq!(client.read_until("ok"), "ok");
}
