use proptest::prelude::*;

use super::*;

fn feed(bytes: &[u8]) -> Result<Guard, Refusal> {
    let mut guard = Guard::new(HeadLimits::default());
    guard.feed(&mut bytes.to_vec()).1.map(|()| guard)
}

/// The outcome of a head in which one line is replaced or added.
fn head(line: &str, fields: &[&str]) -> Result<Guard, Refusal> {
    feed(format!("{line}\r\n{}\r\n", fields.iter().map(|f| format!("{f}\r\n")).collect::<String>()).as_bytes())
}

const GET: &str = "GET / HTTP/1.1";
const HOST: &str = "Host: a";

#[test]
fn plain_requests_pass() {
    for (line, fields) in [
        (GET, &[HOST][..]),
        ("GET / HTTP/1.0", &[]),
        ("OPTIONS * HTTP/1.1", &[HOST]),
        ("GET http://a:80/x?y HTTP/1.1", &["host: A:80"]),
        ("GET /%20?q=\u{e9} HTTP/1.1", &["Host: [::1]:8080", "X-Odd: \u{ff}\t!", "X-Empty:"]),
        ("POST / HTTP/1.1", &[HOST, "Content-Length: 0"]),
        ("POST / HTTP/1.1", &[HOST, "Transfer-Encoding: Chunked"]),
    ] {
        assert!(head(line, fields).is_ok(), "{line} {fields:?}");
    }
}

#[test]
fn every_row_of_the_strict_edge_is_refused() {
    use crate::edge::Refusal::*;
    let cl = "Content-Length: 3";
    for (fault, line, fields) in [
        (NoHost, GET, &[][..]),
        (ManyHosts, GET, &[HOST, HOST]),
        (BadHost, GET, &["Host: a b"]),
        (BadHost, GET, &["Host: a, b"]),
        (BadHost, GET, &["Host: u@a"]),
        (BadHost, GET, &["Host: a:99999"]),
        (BadHost, GET, &["Host:"]),
        (HostMismatch, "GET http://b/ HTTP/1.1", &[HOST]),
        (ContentLength, GET, &[HOST, cl, "Transfer-Encoding: chunked"]),
        (ContentLength, GET, &[HOST, "Transfer-Encoding: chunked", cl]),
        (ContentLength, GET, &[HOST, cl, "Content-Length: 4"]),
        (ContentLength, GET, &[HOST, "Content-Length: +3"]),
        (ContentLength, GET, &[HOST, "Content-Length: 0x3"]),
        (ContentLength, GET, &[HOST, "Content-Length: 3, 3"]),
        (ContentLength, GET, &[HOST, "Content-Length: 3 3"]),
        (ContentLength, GET, &[HOST, "Content-Length:"]),
        (ContentLength, GET, &[HOST, "Content-Length: 99999999999999999999"]),
        (TransferEncoding, GET, &[HOST, "Transfer-Encoding: chunked, chunked"]),
        (TransferEncoding, GET, &[HOST, "Transfer-Encoding: gzip, chunked"]),
        (TransferEncoding, GET, &[HOST, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"]),
        (TransferEncoding, "GET / HTTP/1.0", &["Transfer-Encoding: chunked"]),
        (Field, GET, &[HOST, "Transfer-Encoding: \u{b}chunked"]),
        (TransferCoding, GET, &[HOST, "Transfer-Encoding: xchunked"]),
        (Field, GET, &[HOST, "X : a"]),
        (Field, GET, &[HOST, "X: a", " folded"]),
        (Field, GET, &[HOST, "X: a", "\tfolded: b"]),
        (Field, GET, &[HOST, "X: a\0b"]),
        (Field, GET, &[HOST, "no colon"]),
        (Field, GET, &[HOST, ": no name"]),
        (LineEnd, GET, &[HOST, "X: a\rb"]),
        (LineEnd, GET, &[HOST, "X: a\nY: b"]),
        (Asterisk, "GET * HTTP/1.1", &[HOST]),
        (Fragment, "GET /a#b HTTP/1.1", &[HOST]),
        (TargetForm, "GET a HTTP/1.1", &[HOST]),
        (TargetForm, "GET ftp://a/ HTTP/1.1", &[HOST]),
        (Connect, "CONNECT a:443 HTTP/1.1", &[HOST]),
        (Version, "GET / HTTP/1.2", &[HOST]),
        (Version, "GET / HTTP/2.0", &[HOST]),
        (RequestLine, "GET /", &[]),
        (RequestLine, "GET  / HTTP/1.1", &[HOST]),
        (RequestLine, "G(T / HTTP/1.1", &[HOST]),
        (RequestLine, "GET / http/1.1", &[HOST]),
        (RequestLine, "GET / HTTP/1.1 x", &[HOST]),
    ] {
        assert_eq!(head(line, fields).err(), Some(fault), "{line} {fields:?}");
    }
}

#[test]
fn heads_over_the_limits_are_refused() {
    let long = "a".repeat(70_000);
    assert_eq!(head(GET, &[HOST, &format!("X: {long}")]).err(), Some(Refusal::HeadTooLarge));
    assert_eq!(head(&format!("GET /{} HTTP/1.1", &long[..40_000]), &[HOST]).err(), Some(Refusal::TargetTooLong));
    let many = ["X: a"; 128];
    assert!(head(GET, &[&[HOST][..], &many[1..]].concat()).is_ok());
    assert_eq!(head(GET, &[&[HOST][..], &many].concat()).err(), Some(Refusal::TooManyFields));
    // Without an end in sight, too.
    assert_eq!(feed(&vec![b'a'; 70_000]).err(), Some(Refusal::HeadTooLarge));
}

#[test]
fn malformed_chunks_are_refused() {
    let post = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let body = |body: &str| feed(format!("{post}{body}").as_bytes());
    for good in ["0\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n", "A;x=\"y\"\r\n0123456789\r\n00\r\nX-T: 1\r\n\r\n", "3\r\nab"] {
        assert!(body(good).is_ok(), "{good:?}");
    }
    for bad in [
        "+3\r\n",
        "-3\r\n",
        "0x3\r\n",
        " 3\r\n",
        "3 \r\n",
        "3\nabc",
        "3\r\nabcd",
        "3\r\nabc\n",
        "3;a\nb\r\n",
        "\r\n",
        ";\r\n",
        "fffffffffffffffff\r\n",
        "3;a\0\r\n",
    ] {
        assert_eq!(body(bad).err(), Some(Refusal::Chunk), "{bad:?}");
    }
    assert_eq!(body("0\r\nX : 1\r\n\r\n").err(), Some(Refusal::Field));
    assert_eq!(body("0\r\nX: 1\n\r\n").err(), Some(Refusal::LineEnd));
    assert_eq!(body(&format!("3;{}", "a".repeat(5000))).err(), Some(Refusal::Chunk));
}

#[test]
fn pipelined_requests_are_told_apart() {
    let mut guard = feed(
        b"\r\nPOST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /POST /2 HTTP/1.1\r\nHost: a\r\nB: 1\r\nA: 2\r\nb: 3\r\n\
          Transfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\n\r\nGET /3 HTTP/1.0\r\n\r\n",
    )
    .unwrap();
    let heads: Vec<_> = std::iter::from_fn(|| guard.take_head()).collect();
    let targets: Vec<_> = heads.iter().map(|h| HeadView::of(&h.bytes).unwrap().target).collect();
    assert_eq!(targets, [b"/1", b"/2", b"/3"]);
    let fields: Vec<_> = HeadView::of(&heads[1].bytes).unwrap().fields().take(4).collect();
    assert_eq!(fields, [(&b"Host"[..], &b"a"[..]), (b"B", b"1"), (b"A", b"2"), (b"b", b"3")]);
}

#[test]
fn one_empty_line_before_a_request_is_passed_over_and_no_more() {
    assert!(feed(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").is_ok());
    assert_eq!(feed(b"\r\n\r\n").err(), Some(Refusal::RequestLine));
    assert_eq!(feed(b"\nGET / HTTP/1.1\r\n").err(), Some(Refusal::LineEnd));
}

#[test]
fn a_refusal_is_final_and_knows_where_it_was() {
    let mut guard = Guard::new(HeadLimits::default());
    assert_eq!(guard.feed(&mut b"\0".to_vec()), (0, Err(Refusal::Field)));
    assert_eq!(guard.feed(&mut b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()), (0, Err(Refusal::Field)));
    assert!(guard.was_at_head());
    let mut guard = Guard::new(HeadLimits::default());
    let post = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx";
    assert_eq!(guard.feed(&mut post.to_vec()), (post.len() - 1, Err(Refusal::Chunk)));
    assert!(!guard.was_at_head());
}

#[test]
fn nothing_passes_behind_a_request_for_another_protocol_before_that_is_decided() {
    let upgrade = "GET /1 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let mut bytes = format!("{upgrade}GET /2 HTTP/1.1\r\n\r\n").into_bytes();
    let passed = |decide: fn(&mut Guard)| {
        let mut guard = Guard::new(HeadLimits::default());
        assert_eq!(guard.feed(&mut bytes.clone()), (upgrade.len(), Ok(())));
        assert!(guard.is_undecided());
        decide(&mut guard);
        guard.feed(&mut bytes.clone()[upgrade.len()..])
    };
    assert_eq!(passed(|_| ()), (0, Ok(())));
    // A request, and one without a host.
    assert_eq!(passed(Guard::go_on).1, Err(Refusal::NoHost));
    assert_eq!(passed(Guard::step_aside), (bytes.len() - upgrade.len(), Ok(())));
    assert_eq!(passed(|guard| guard.refuse(Refusal::EarlyUpgrade)), (0, Err(Refusal::EarlyUpgrade)));
    // HTTP/1.0 has no upgrades, and a body no end that another protocol could begin at.
    for ordinary in [
        "GET /1 HTTP/1.0\r\nUpgrade: x\r\n\r\n",
        "POST /1 HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\na",
    ] {
        bytes = ordinary.into();
        let mut guard = Guard::new(HeadLimits::default());
        assert_eq!(guard.feed(&mut bytes), (ordinary.len(), Ok(())));
        assert!(!guard.is_undecided());
    }
}

#[test]
fn the_library_is_shown_another_target_and_the_head_is_kept_as_it_came() {
    let odd = &b"GET /a?b=<\"\xe9> HTTP/1.1\r\nHost: a\r\nX: <\xff>\r\n\r\n"[..];
    let shown = &b"GET /a?b=____ HTTP/1.1\r\nHost: a\r\nX: <\xff>\r\n\r\n"[..];
    for cut in 0..odd.len() {
        let (mut guard, mut bytes) = (Guard::new(HeadLimits::default()), [odd, odd].concat());
        let (first, second) = bytes.split_at_mut(cut);
        guard.feed(first).1.unwrap();
        guard.feed(second).1.unwrap();
        assert_eq!(bytes, [shown, shown].concat(), "cut at {cut}");
        for _ in 0..2 {
            assert_eq!(guard.take_head(), Some(Head { bytes: odd.into(), is_odd: true }));
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_taken_without_a_panic(stretches: Vec<Vec<u8>>) {
        let mut guard = Guard::new(HeadLimits::default());
        for mut stretch in stretches {
            let (sound, _) = guard.feed(&mut stretch);
            prop_assert!(sound <= stretch.len());
        }
    }
}
