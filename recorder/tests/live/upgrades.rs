//! Upgrades to the byte: who gets what, before the origin has decided and behind its decision.

use std::net::Shutdown;

use umbra_common::exchange::Ending;

use crate::harness::{Bench, Origin, Wire, eventually};

const ASK: &str =
    "GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, X-Hop\r\nUpgrade: raw/1\r\nX-Hop: 1\r\nX-End: 2\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: raw/1\r\nX-Origin: 1\r\n\r\n";

/// Changes the protocol, and sends back in upper case what comes, until the client ends.
fn shouting(mut wire: Wire) {
    if wire.head().contains("pgrade: raw/1\r\n") {
        wire.send(SWITCH);
        while let Some(bytes) = wire.bytes() {
            wire.send(bytes.to_ascii_uppercase());
        }
        wire.send("bye");
        wire.shutdown(Shutdown::Write);
    }
}

#[test]
fn an_upgraded_connection_passes_bytes_both_ways_until_each_side_has_ended() {
    let (say, heard) = crossbeam_channel::bounded(8);
    let origin = Origin::run(move |mut wire| {
        let head = wire.head();
        say.send(head.clone()).unwrap();
        wire.unread(head);
        shouting(wire);
    });
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    client.send(ASK);
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("X-Origin: 1\r\n"), "{head}");
    let lower = head.to_lowercase();
    assert!(lower.contains("connection: upgrade\r\n") && lower.contains("upgrade: raw/1\r\n"), "{head}");
    for n in 0..100 {
        client.send(format!("ping {n}\0\r\n\r\n"));
        assert_eq!(client.read_until("\r\n\r\n"), format!("PING {n}\0\r\n\r\n"));
    }
    assert!(bench.admin("/metrics").contains("umbra_recorder_tunnels_open 1\n"));
    client.shutdown(Shutdown::Write);
    assert_eq!(client.read_to_end(), "bye");
    let metrics = bench.admin("/metrics");
    assert!(metrics.contains("umbra_recorder_tunnels_total 1\n"), "{metrics}");
    assert!(metrics.contains("umbra_recorder_tunnel_bytes_total{way=\"down\"} 1193\n"), "{metrics}");

    let seen = heard.recv().unwrap().to_lowercase();
    assert!(seen.contains("connection: upgrade\r\n") && seen.contains("x-end: 2\r\n"), "{seen}");
    assert!(!seen.contains("x-hop"), "{seen}");
    let (ledger, exchanges) = bench.drain();
    assert_eq!(ledger.to_string(), "seen 1 = recorded 1");
    let [exchange] = &exchanges[..] else { panic!("{exchanges:?}") };
    assert_eq!(exchange.request.headers.get("upgrade"), Some(&b"raw/1"[..]));
    let response = exchange.response.as_ref().unwrap();
    assert_eq!((response.status, exchange.ending, response.body.length), (101, Ending::Complete, 0));
    assert_eq!((response.headers.get("upgrade"), exchange.request.body.length), (Some(&b"raw/1"[..]), 0));
}

#[test]
fn bytes_that_come_with_the_handshake_wait_for_the_origin_and_reach_it_in_order() {
    let (go, wait) = crossbeam_channel::bounded(0);
    let (say, heard) = crossbeam_channel::bounded(1);
    let origin = Origin::run(move |mut wire| {
        wire.head();
        // Nothing may come before the decision.
        say.send(wire.is_silent()).unwrap();
        wait.recv().unwrap();
        wire.send([SWITCH, "from the origin, at once;"].concat());
        assert_eq!(wire.read_until("-end"), "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\nearly-more-end");
        wire.send("got it");
    });
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    client.send([ASK, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "early"].concat());
    assert!(heard.recv().unwrap(), "bytes went to the origin before it had changed the protocol");
    client.send("-more");
    go.send(()).unwrap();
    client.head();
    assert_eq!(client.read_until(";"), "from the origin, at once;");
    client.send("-end");
    assert_eq!(client.read_to_end(), "got it");
    drop(client);
    // What looks like a bad request behind the handshake is nobody's request.
    assert_eq!(bench.drain().0.to_string(), "seen 1 = recorded 1");
}

#[test]
fn an_origin_that_does_not_change_the_protocol_answers_as_to_any_request() {
    let origin = Origin::run(|mut wire| {
        while wire.more() {
            let head = wire.head();
            let status = if head.contains("pgrade: ") { "426 Upgrade Required" } else { "200 OK" };
            wire.send(format!("HTTP/1.1 {status}\r\ncontent-length: 3\r\nupgrade: raw/1\r\n\r\nno!"));
        }
    });
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    for _ in 0..2 {
        client.send(ASK);
        assert!(client.head().starts_with("HTTP/1.1 426 "));
        assert_eq!(client.read_until("no!"), "no!");
        // The connection stays one for requests.
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(client.head().starts_with("HTTP/1.1 200 "));
        assert_eq!(client.read_until("no!"), "no!");
    }
    drop(client);
    let (ledger, exchanges) = bench.drain();
    assert_eq!(ledger.to_string(), "seen 4 = recorded 4");
    assert_eq!(exchanges[0].response.as_ref().map(|r| r.status), Some(426));
}

#[test]
fn what_comes_behind_an_upgrade_that_is_not_granted_is_no_request() {
    let (say, heard) = crossbeam_channel::bounded(8);
    let origin = Origin::run(move |mut wire| {
        while wire.more() {
            say.send(wire.head()).unwrap();
            wire.send("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    client.send([ASK, "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
    let answers = client.read_to_end();
    assert!(answers.starts_with("HTTP/1.1 403 ") && answers.contains("HTTP/1.1 400 "), "{answers}");
    assert!(answers.ends_with("umbra-recorder: early_upgrade\n"), "{answers}");
    assert!(bench.admin("/metrics").contains("refused_total{reason=\"early_upgrade\"} 1\n"));
    assert_eq!(bench.drain().0.to_string(), "seen 2 = recorded 1 + skipped{refused} 1");
    let heads: Vec<_> = heard.try_iter().collect();
    assert!(heads.len() == 1 && !heads[0].contains("smuggled"), "{heads:?}");
}

#[test]
fn a_refused_upgrade_says_nothing_about_the_one_behind_it() {
    let bench = Bench::before(&Origin::run(shouting), &[]);
    let mut client = bench.client();
    // The first is an ordinary request that is answered at once by nobody: its origin hangs up.
    let first = "GET /1 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n";
    client.send([first, ASK, "behind"].concat());
    assert!(client.head().starts_with("HTTP/1.1 502 "));
    client.read_until("answer\n");
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(client.read_until("BEHIND"), "BEHIND");
}

#[test]
fn requests_for_http_or_tls_behind_the_recorder_are_ordinary_requests() {
    let bench = Bench::before(&Origin::echo(), &[]);
    let mut client = bench.client();
    for upgrade in ["h2c", "H2C", "TLS/1.2", "HTTP/2.0", "raw/1, h2c", "h2c\r\nUpgrade: raw/1", ",", ""] {
        let fields =
            format!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\nHTTP2-Settings: AAMAAABk\r\n");
        // What is pipelined behind is a request like any other.
        client.send(format!("GET /1 HTTP/1.1\r\nHost: a\r\n{fields}\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"));
        for n in 1..=2 {
            assert!(client.head().starts_with("HTTP/1.1 200 "), "{upgrade}");
            let seen = client.head().to_lowercase();
            assert!(seen.starts_with(&format!("get /{n} ")), "{seen}");
            assert!(!seen.contains("upgrade") && !seen.contains("http2-settings"), "{seen}");
        }
    }
    drop(client);
    assert_eq!(bench.drain().0.to_string(), "seen 16 = recorded 16");
}

#[test]
fn an_upgrade_that_is_not_asked_for_as_it_must_be_is_an_ordinary_request() {
    let bench = Bench::before(&Origin::echo(), &[]);
    for head in [
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: raw/1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: raw/1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: raw/1\r\nContent-Length: 2\r\n\r\nab",
    ] {
        let mut client = bench.client();
        client.send(head);
        assert!(client.head().contains(" 200 "), "{head}");
        let seen = client.head().to_lowercase();
        assert!(!seen.contains("upgrade"), "{seen}");
    }
}

#[test]
fn an_origin_that_changes_the_protocol_unasked_is_a_502() {
    let origin = Origin::run(|mut wire| {
        let other =
            if wire.head().contains("pgrade: raw/1") { SWITCH.replace("raw/1", "other") } else { SWITCH.into() };
        wire.send(other);
    });
    let bench = Bench::before(&origin, &[]);
    for ask in [
        ASK,
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    ] {
        let mut client = bench.client();
        client.send(ask);
        assert!(client.head().starts_with("HTTP/1.1 502 "), "{ask}");
    }
    assert!(bench.admin("/metrics").contains("upstream_failures_total{kind=\"switched\"} 3\n"));
}

#[test]
fn a_side_that_breaks_off_ends_the_other() {
    let (say, heard) = crossbeam_channel::bounded(1);
    let origin = Origin::run(move |mut wire| {
        wire.head();
        wire.send(SWITCH);
        if wire.read_until("\n") == "you\n" {
            return;
        }
        say.send(wire.read_to_end()).unwrap();
    });
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    client.send([ASK, "you\n"].concat());
    client.head();
    assert_eq!(client.read_to_end(), "");
    drop(client);
    let mut client = bench.client();
    client.send([ASK, "me\n"].concat());
    client.head();
    drop(client);
    assert_eq!(heard.recv().unwrap(), "");
    eventually("no open tunnel", || bench.admin("/metrics").contains("umbra_recorder_tunnels_open 0\n"));
}

#[test]
fn a_tunnel_on_which_nothing_passes_is_closed_after_its_time_and_not_while_something_does() {
    let bench = Bench::before(&Origin::run(shouting), &["--tunnel-timeout", "600ms"]);
    let mut client = bench.client();
    client.send(ASK);
    client.head();
    let begin = std::time::Instant::now();
    while begin.elapsed() < std::time::Duration::from_millis(1500) {
        client.send("still here;");
        assert_eq!(client.read_until(";"), "STILL HERE;");
    }
    assert_eq!(client.read_to_end(), "");
}

#[test]
fn a_drain_closes_tunnels_at_its_end_and_not_before() {
    let bench = Bench::before(&Origin::run(shouting), &["--drain-timeout", "2s"]);
    let mut client = bench.client();
    client.send(ASK);
    client.head();
    let addr = bench.recorder.addr();
    let drain = std::thread::spawn(move || bench.drain().0.to_string());
    eventually("no more connections taken", || std::net::TcpStream::connect(addr).is_err());
    client.send("still here;");
    assert_eq!(client.read_until(";"), "STILL HERE;");
    // Cut, with or without a goodbye.
    client.read_to_end();
    assert_eq!(drain.join().unwrap(), "seen 1 = recorded 1");
}

#[test]
fn a_sink_changes_no_protocol() {
    let bench = Bench::with(&["--sink"]);
    let mut client = bench.client();
    client.send([ASK, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
    assert!(client.head().starts_with("HTTP/1.1 204 "));
    assert!(client.head().starts_with("HTTP/1.1 204 "));
    drop(client);
    assert_eq!(bench.drain().0.to_string(), "seen 2 = recorded 2");
}
