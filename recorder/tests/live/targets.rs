//! Odd targets and the order of fields: what the origin gets is what came.

use crate::harness::{Bench, Origin, Wire};

/// Answers with the head that came, as raw bytes.
fn origin() -> Origin {
    Origin::run(|mut wire: Wire| {
        while wire.more() {
            let head = wire.raw_head();
            wire.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", head.len()));
            wire.send(head);
        }
    })
}

#[test]
fn odd_bytes_in_a_target_reach_the_origin_and_the_store_as_they_came() {
    let bench = Bench::before(&origin(), &[]);
    let targets: [(&[u8], &[u8]); 9] = [
        (b"/?q=\"a\"", b"/?q=\"a\""),
        (b"/<a>?b=<c>", b"/<a>?b=<c>"),
        (b"/`a`?{b}|\\^[c]", b"/`a`?{b}|\\^[c]"),
        (b"/\xe9?\xff\xfe", b"/\xe9?\xff\xfe"),
        ("/é?ü".as_bytes(), "/é?ü".as_bytes()),
        (b"/%zz?%", b"/%zz?%"),
        (b"http://a/x?<\">", b"/x?<\">"),
        (b"http://a?<", b"/?<"),
        (b"/plain", b"/plain"),
    ];
    let mut client = bench.client();
    for (sent, wanted) in targets {
        client.send([b"GET ", sent, b" HTTP/1.1\r\nHost: a\r\nX: <\">\r\n\r\n"].concat());
        assert!(client.head().starts_with("HTTP/1.1 200 "), "{}", sent.escape_ascii());
        let head = client.raw_head();
        let start = [b"GET ", wanted, b" HTTP/1.1\r\nHost: a\r\nX: <\">\r\n"].concat();
        assert!(head.starts_with(&start), "{}", head.escape_ascii());
    }
    drop(client);
    let (ledger, exchanges) = bench.drain();
    assert_eq!(ledger.to_string(), "seen 9 = recorded 9");
    for ((sent, _), exchange) in targets.iter().zip(&exchanges) {
        assert_eq!(exchange.request.target.escape_ascii().to_string(), sent.escape_ascii().to_string());
    }
}

#[test]
fn an_odd_head_may_come_byte_by_byte_and_with_a_body_and_others_behind_it() {
    let origin = Origin::run(|mut wire| {
        while wire.more() {
            let head = wire.raw_head();
            let body = wire.read_until("!");
            wire.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", head.len() + body.len()));
            wire.send([head, body.into_bytes()].concat());
        }
    });
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    let head = b"POST /<\"\xe9>?`<\"\xe9> HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n";
    for byte in [&head[..], b"\r\nhello!"].concat() {
        client.send([byte]);
    }
    for _ in 0..3 {
        client.send([&head[..], b"\r\nhello!"].concat());
    }
    for _ in 0..4 {
        client.head();
        assert!(client.raw_head().starts_with(head));
        assert_eq!(client.read_until("!"), "hello!");
    }
}

#[test]
fn control_bytes_and_spaces_in_a_target_are_refused_still() {
    let bench = Bench::before(&origin(), &[]);
    for target in [&b"/\x01<"[..], b"/<\x7f", b"/< >", b"/\t\"", b"/\"\0"] {
        let mut client = bench.client();
        client.send([b"GET ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
        assert!(client.read_to_end().starts_with("HTTP/1.1 400 "), "{}", target.escape_ascii());
    }
}

#[test]
fn fields_of_one_name_keep_their_places() {
    let bench = Bench::before(&origin(), &[]);
    let mut client = bench.client();
    let fields = "A: 1\r\nHost: a\r\nb: 2\r\na: 3\r\nB: 4\r\nVia: 1.0 x\r\nA: 5\r\n";
    client.send(format!("GET / HTTP/1.1\r\n{fields}Connection: close, x\r\nX: 1\r\n\r\n"));
    client.head();
    let seen = String::from_utf8(client.raw_head()).unwrap();
    assert!(seen.starts_with(&format!("GET / HTTP/1.1\r\n{fields}")) && !seen.contains("X: 1"), "{seen}");
    assert!(seen.contains("via: 1.1 umbra\r\n"), "{seen}");
}

#[test]
fn trace_context_passes_untouched() {
    let bench = Bench::before(&origin(), &[]);
    let mut client = bench.client();
    let fields = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nHost: a\r\n\
        tracestate: rojo=00f067aa0ba902b7\r\nX: 1\r\ntracestate: congo=t61rcWkgMzE,a=b\r\nbaggage: k=v;p\r\n";
    client.send(format!("GET / HTTP/1.1\r\n{fields}\r\n"));
    client.head();
    let seen = String::from_utf8(client.raw_head()).unwrap();
    assert!(seen.starts_with(&format!("GET / HTTP/1.1\r\n{fields}")), "{seen}");
    drop(client);
    let recorded: String = bench.drain().1[0]
        .request
        .headers
        .iter()
        .map(|(n, v)| format!("{}: {}\r\n", String::from_utf8_lossy(n), String::from_utf8_lossy(v)))
        .collect();
    assert_eq!(recorded, fields.to_lowercase().replace("wkgmze", "WkgMzE"));
}
