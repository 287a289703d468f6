//! What is refused reaches no origin, ends its connection, and is counted by its reason.

use crate::harness::{Bench, Origin};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n";
const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\n";

/// Sends each on a connection of its own, and sees it refused with its status and counted by its reason.
fn refuses(rows: &[(u16, &str, &[u8])]) {
    let origin = Origin::echo();
    let bench = Bench::before(&origin, &[]);
    for (status, reason, request) in rows {
        let mut client = bench.client();
        client.send(request);
        let answer = client.read_to_end();
        let sent = request[..request.len().min(120)].escape_ascii();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{sent}: {answer}");
        assert!(answer.contains("connection: close") && answer.ends_with(&format!(": {reason}\n")), "{sent}: {answer}");
    }
    let metrics = bench.admin("/metrics");
    for (_, reason, _) in rows {
        let count = rows.iter().filter(|row| row.1 == *reason).count();
        let counted = format!("umbra_recorder_refused_total{{reason=\"{reason}\"}} {count}\n");
        assert!(metrics.contains(&counted), "{counted}{metrics}");
    }
    assert_eq!(bench.drain().0.to_string(), format!("seen {0} = skipped{{refused}} {0}", rows.len()));
    assert_eq!(origin.connections(), 0);
}

#[test]
fn hosts_that_could_mean_two_things_are_refused() {
    refuses(&[
        (400, "no_host", b"GET / HTTP/1.1\r\n\r\n"),
        (400, "many_hosts", b"GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n"),
        (400, "bad_host", b"GET / HTTP/1.1\r\nhost: a, b\r\n\r\n"),
        (400, "bad_host", b"GET / HTTP/1.1\r\nhost: a/b\r\n\r\n"),
        (400, "host_mismatch", b"GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n"),
    ]);
}

#[test]
fn lengths_that_could_mean_two_things_are_refused() {
    let with = |fields: &str| format!("{POST}{fields}\r\n\r\n0\r\n\r\n").into_bytes();
    let rows: Vec<(u16, &str, Vec<u8>)> = [
        (400, "content_length", "content-length: 5\r\ntransfer-encoding: chunked"),
        (400, "content_length", "transfer-encoding: chunked\r\ncontent-length: 5"),
        (400, "content_length", "content-length: 3\r\ncontent-length: 4"),
        (400, "content_length", "content-length: +3"),
        (400, "content_length", "content-length: 0x3"),
        (400, "content_length", "content-length: 3, 3"),
        (400, "transfer_encoding", "transfer-encoding: chunked, chunked"),
        (400, "transfer_encoding", "transfer-encoding: gzip, chunked"),
        (400, "transfer_encoding", "transfer-encoding: chunked\r\ntransfer-encoding: chunked"),
        (501, "transfer_coding", "transfer-encoding: gzip"),
        (400, "field", "transfer-encoding: \u{b}chunked"),
    ]
    .map(|(status, reason, fields)| (status, reason, with(fields)))
    .into();
    let mut rows: Vec<(u16, &str, &[u8])> = rows.iter().map(|(s, r, b)| (*s, *r, &b[..])).collect();
    rows.push((400, "transfer_encoding", b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"));
    refuses(&rows);
}

#[test]
fn lines_that_parsers_read_differently_are_refused() {
    refuses(&[
        (400, "field", b"GET / HTTP/1.1\r\nhost: a\r\nx : y\r\n\r\n"),
        (400, "field", b"GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n folded\r\n\r\n"),
        (400, "field", b"GET / HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n"),
        (400, "line_end", b"GET / HTTP/1.1\r\nhost: a\r\nx: a\rb\r\n\r\n"),
        (400, "line_end", b"GET / HTTP/1.1\nhost: a\n\n"),
    ]);
}

#[test]
fn request_lines_that_are_not_spoken_here_are_refused() {
    refuses(&[
        (400, "asterisk", b"GET * HTTP/1.1\r\nhost: a\r\n\r\n"),
        (400, "fragment", b"GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n"),
        (400, "target_form", b"GET a HTTP/1.1\r\nhost: a\r\n\r\n"),
        (405, "connect", b"CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n"),
        (505, "version", b"GET / HTTP/1.2\r\nhost: a\r\n\r\n"),
        (505, "version", b"GET / HTTP/3.0\r\nhost: a\r\n\r\n"),
        (400, "request_line", b"GET /\r\n\r\n"),
    ]);
}

#[test]
fn heads_over_the_limits_are_refused() {
    let many = format!("{GET}{}\r\n", "x: y\r\n".repeat(128));
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(33 << 10));
    let big = format!("{GET}x: {}\r\n\r\n", "v".repeat(65 << 10));
    refuses(&[
        (431, "too_many_fields", many.as_bytes()),
        (414, "target_too_long", long.as_bytes()),
        (431, "head_too_large", big.as_bytes()),
    ]);
}

#[test]
fn a_malformed_chunk_ends_the_request_at_the_origin_too() {
    let origin = Origin::run(|mut wire| {
        wire.head();
        // Neither a last chunk nor an answer ever comes: the connection ends.
        assert!(!wire.read_to_end().contains("0\r\n\r\n"));
    });
    let bench = Bench::before(&origin, &[]);
    let chunks = ["+3\r\nabc", "0x3\r\nabc", " 3\r\nabc", "3\nabc", "3\r\nabcd", "3;x\ny\r\nabc"];
    for chunk in chunks {
        let mut client = bench.client();
        client.send(format!("{POST}transfer-encoding: chunked\r\n\r\n{chunk}\r\n0\r\n\r\n"));
        let answer = client.read_to_end();
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.ends_with(": chunk\n"), "{chunk:?}: {answer}");
    }
    let (ledger, exchanges) = bench.drain();
    assert_eq!(ledger.seen, chunks.len() as u64, "{ledger}");
    assert!(exchanges.iter().all(|e| e.response.is_none()), "{exchanges:?}");
}

#[test]
fn requests_before_a_refused_one_are_answered() {
    let origin = Origin::echo();
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    client.send(format!("{GET}\r\n{GET}\r\nGET / HTTP/1.1\r\nhost : a\r\n\r\n{GET}\r\n"));
    let answer = client.read_to_end();
    let statuses: Vec<_> = answer.match_indices("HTTP/1.1 ").map(|(at, _)| &answer[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "200", "400"], "{answer}");
    assert_eq!(bench.drain().0.to_string(), "seen 3 = recorded 2 + skipped{refused} 1");
}

#[test]
fn fields_are_recorded_in_the_order_of_the_wire() {
    let origin = Origin::echo();
    let bench = Bench::before(&origin, &[]);
    let mut client = bench.client();
    client.send("GET / HTTP/1.1\r\nB: 1\r\nHost: a\r\nA: 2\r\nb: 3\r\nConnection: close\r\n\r\n");
    assert!(client.read_to_end().starts_with("HTTP/1.1 200"));
    let (_, exchanges) = bench.drain();
    let fields: Vec<_> = exchanges[0].request.headers.iter().collect();
    let sent: [(&[u8], &[u8]); 5] =
        [(b"b", b"1"), (b"host", b"a"), (b"a", b"2"), (b"b", b"3"), (b"connection", b"close")];
    assert_eq!(fields, sent);
}
