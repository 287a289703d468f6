//! Every row of the strict edge by HTTP/1, as bytes.

use umbra_common::exchange::Ending;
use umbra_tests::origin::Origin;
use umbra_tests::recorder::TestRecorder;
use umbra_tests::stores::TestStore;

use super::refused;

/// What it is, what its client is told, its reason in metrics, and its bytes.
type Row<'a> = (&'a str, u16, &'a str, String);

fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\n{fields}\r\n")
}

fn post(fields: &str) -> String {
    format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
}

/// Sends each on a connection of its own, with a good request behind it: it is refused with its status, counted by its
/// reason, and the connection closed, and nothing has reached the origin.
fn refuses(rows: &[Row<'_>], flags: &[&str]) {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), flags);
    for (at, (name, status, reason, request)) in rows.iter().enumerate() {
        let before = recorder.metric(&refused(reason));
        let mut client = recorder.client();
        // The answer may come, and the connection be closed, before all of it is sent.
        let _ = client.try_send(format!("{request}GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n"));
        let response = client.response();
        assert_eq!(response.status(), *status, "{name}: {}", response.text());
        assert_eq!(response.text(), format!("umbra-recorder: {reason}\n"), "{name}");
        assert_eq!(response.head.get("connection"), "close", "{name}");
        assert!(client.is_closed_by_peer(), "{name}: still open");
        assert_eq!(recorder.metric(&refused(reason)), before + 1, "{name}: not counted as {reason}");
        assert_eq!(recorder.ledger().ends.iter().map(|end| end.count).sum::<u64>(), at as u64 + 1, "{name}");
        assert_eq!(origin.begun(), 0, "{name}: it reached the origin");
    }
    assert_eq!(recorder.drain().to_string(), format!("seen {0} = skipped{{refused}} {0}", rows.len()));
}

#[test]
fn a_host_is_exactly_one_authority() {
    refuses(
        &[
            ("no Host", 400, "no_host", get("")),
            ("two Hosts", 400, "many_hosts", get("host: a\r\nhost: b\r\n")),
            ("two equal Hosts", 400, "many_hosts", get("host: a\r\nHost: a\r\n")),
            ("an empty Host", 400, "bad_host", get("host:\r\n")),
            ("a Host with a space", 400, "bad_host", get("host: a b\r\n")),
            ("a Host that is a list", 400, "bad_host", get("host: a, b\r\n")),
            ("a Host with a path", 400, "bad_host", get("host: a/b\r\n")),
            ("a Host with a user", 400, "bad_host", get("host: u@a\r\n")),
            ("a Host with a port that is none", 400, "bad_host", get("host: a:99999\r\n")),
            ("absolute-form against Host", 400, "host_mismatch", "GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n".into()),
            ("absolute-form without Host", 400, "no_host", "GET http://b/ HTTP/1.1\r\n\r\n".into()),
            ("absolute-form with a user", 400, "bad_host", "GET http://u@a/ HTTP/1.1\r\nhost: a\r\n\r\n".into()),
        ],
        &[],
    );
}

#[test]
fn a_body_has_one_length() {
    let (length, chunked) = ("content-length: 13", "transfer-encoding: chunked");
    refuses(
        &[
            ("a length before a coding", 400, "content_length", post(&format!("{length}\r\n{chunked}"))),
            ("a coding before a length", 400, "content_length", post(&format!("{chunked}\r\n{length}"))),
            ("two lengths", 400, "content_length", post("content-length: 3\r\ncontent-length: 4")),
            ("a length with a sign", 400, "content_length", post("content-length: +3")),
            ("a negative length", 400, "content_length", post("content-length: -3")),
            ("a hexadecimal length", 400, "content_length", post("content-length: 0x3")),
            ("a list of lengths", 400, "content_length", post("content-length: 3, 3")),
            ("an empty length", 400, "content_length", post("content-length:")),
            ("a length beyond 64 bits", 400, "content_length", post("content-length: 18446744073709551619")),
            ("chunked twice", 400, "transfer_encoding", post("transfer-encoding: chunked, chunked")),
            ("chunked twice, in two fields", 400, "transfer_encoding", post(&format!("{chunked}\r\n{chunked}"))),
            ("another coding before", 400, "transfer_encoding", post("transfer-encoding: gzip, chunked")),
            ("another coding behind", 400, "transfer_encoding", post("transfer-encoding: chunked, identity")),
            ("an empty coding", 400, "transfer_encoding", post("transfer-encoding:")),
            ("a coding with a parameter", 400, "transfer_encoding", post("transfer-encoding: chunked;a=b")),
            ("a coding that is not there", 501, "transfer_coding", post("transfer-encoding: gzip")),
            ("nearly chunked", 501, "transfer_coding", post("transfer-encoding: xchunked")),
            ("a vertical tab before", 400, "field", post("transfer-encoding: \u{b}chunked")),
            ("a vertical tab behind", 400, "field", post("transfer-encoding: chunked\u{b}")),
            (
                "a coding by HTTP/1.0",
                400,
                "transfer_encoding",
                "POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".into(),
            ),
        ],
        &[],
    );
}

#[test]
fn lines_end_and_fields_begin_in_one_way() {
    let with = |line: &str| get(&format!("host: a\r\n{line}\r\n"));
    refuses(
        &[
            ("a space before the colon", 400, "field", with("x : a")),
            ("a tab before the colon", 400, "field", with("x\t: a")),
            ("a folded line", 400, "field", with("x: a\r\n b")),
            ("a line folded with a tab", 400, "field", with("x: a\r\n\tb")),
            ("a fold as the first line", 400, "field", get(" host: a\r\n")),
            ("NUL in a value", 400, "field", with("x: a\0b")),
            ("NUL in a name", 400, "field", with("x\0y: a")),
            ("a control byte in a value", 400, "field", with("x: a\x01b")),
            ("DEL in a value", 400, "field", with("x: a\x7fb")),
            ("no colon", 400, "field", with("x")),
            ("no name", 400, "field", with(": a")),
            ("CR in a value", 400, "line_end", with("x: a\rb")),
            ("LF in a value", 400, "line_end", with("x: a\ny: b")),
            ("lines that end in LF", 400, "line_end", "GET / HTTP/1.1\nhost: a\n\n".into()),
            ("two empty lines before", 400, "request_line", "\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n".into()),
        ],
        &[],
    );
}

#[test]
fn a_request_line_is_a_method_a_target_and_a_version() {
    let line = |line: &str| format!("{line}\r\nhost: a\r\n\r\n");
    refuses(
        &[
            ("GET *", 400, "asterisk", line("GET * HTTP/1.1")),
            ("a fragment", 400, "fragment", line("GET /a#b HTTP/1.1")),
            ("a fragment of a URL", 400, "fragment", line("GET http://a/#b HTTP/1.1")),
            ("CONNECT", 405, "connect", line("CONNECT a:443 HTTP/1.1")),
            ("no path", 400, "target_form", line("GET a HTTP/1.1")),
            ("another scheme", 400, "target_form", line("GET ftp://a/ HTTP/1.1")),
            ("a tab in the target", 400, "target_form", line("GET /a\tb HTTP/1.1")),
            ("HTTP/1.2", 505, "version", line("GET / HTTP/1.2")),
            ("HTTP/2.0 by its name", 505, "version", line("GET / HTTP/2.0")),
            ("HTTP/0.9 by its name", 505, "version", line("GET / HTTP/0.9")),
            ("HTTP/0.9", 400, "request_line", "GET /\r\n\r\n".into()),
            ("HTTP/10", 400, "request_line", line("GET / HTTP/10")),
            ("http in lower case", 400, "request_line", line("GET / http/1.1")),
            ("two spaces", 400, "request_line", line("GET  / HTTP/1.1")),
            ("a word behind the version", 400, "request_line", line("GET / HTTP/1.1 x")),
            ("a method that is no token", 400, "request_line", line("G(T / HTTP/1.1")),
        ],
        &[],
    );
}

/// Heads just over limits, and those just under them.
fn sizes(head: usize, fields: usize, target: usize) -> ([Row<'static>; 4], [String; 3]) {
    let of_fields = |count| {
        let fields: String = (1..count).map(|n| format!("x-{n}: 1\r\n")).collect();
        get(&format!("host: a\r\n{fields}"))
    };
    let of_target = |length: usize| format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "t".repeat(length - 1));
    let of_head = |length: usize| {
        let least = get("host: a\r\nx: \r\n").len();
        get(&format!("host: a\r\nx: {}\r\n", "v".repeat(length - least)))
    };
    let over = [
        ("too many fields", 431, "too_many_fields", of_fields(fields + 1)),
        ("a target that is too long", 414, "target_too_long", of_target(target + 1)),
        ("a head that is too large", 431, "head_too_large", of_head(head + 1)),
        ("a line without an end", 431, "head_too_large", format!("GET /{}", "t".repeat(head))),
    ];
    (over, [of_fields(fields), of_target(target), of_head(head)])
}

#[test]
fn heads_and_targets_have_limits_by_default() {
    refuses(&sizes(64 << 10, 128, 32 << 10).0, &[]);
}

#[test]
fn heads_and_targets_have_the_limits_that_flags_set() {
    let flags = ["--max-header-size", "2KiB", "--max-headers", "9", "--max-target", "1KiB"];
    let (over, within) = sizes(2 << 10, 9, 1 << 10);
    refuses(&over, &flags);
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &flags);
    for request in &within {
        assert_eq!(recorder.client().exchange(request).status(), 200, "{}", &request[..40]);
    }
    assert_eq!(recorder.drain().to_string(), "seen 3 = recorded 3");
}

#[test]
fn a_malformed_chunk_ends_the_request_at_the_origin_too() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    let rows = [
        ("a sign", "chunk", "+3\r\nabc\r\n0\r\n\r\n"),
        ("a minus", "chunk", "-3\r\nabc\r\n0\r\n\r\n"),
        ("0x", "chunk", "0x3\r\nabc\r\n0\r\n\r\n"),
        ("a space before", "chunk", " 3\r\nabc\r\n0\r\n\r\n"),
        ("a space behind", "chunk", "3 \r\nabc\r\n0\r\n\r\n"),
        ("no size", "chunk", "\r\nabc\r\n0\r\n\r\n"),
        ("a size beyond 64 bits", "chunk", "10000000000000003\r\nabc\r\n0\r\n\r\n"),
        ("a size line that ends in LF", "chunk", "3\nabc\r\n0\r\n\r\n"),
        ("LF in an extension", "chunk", "3;x\ny\r\nabc\r\n0\r\n\r\n"),
        ("NUL in an extension", "chunk", "3;x\0\r\nabc\r\n0\r\n\r\n"),
        ("an extension without end", "chunk", &format!("3;{}", "x".repeat(5 << 10))),
        ("data that is too long", "chunk", "3\r\nabcd\r\n0\r\n\r\n"),
        ("data that ends in LF", "chunk", "3\r\nabc\n0\r\n\r\n"),
        ("a malformed trailer", "field", "3\r\nabc\r\n0\r\nx : y\r\n\r\n"),
        ("a trailer that ends in LF", "line_end", "3\r\nabc\r\n0\r\nx: y\n\r\n"),
        ("trailers that are too large", "head_too_large", &format!("0\r\nx: {}", "y".repeat(65 << 10))),
        ("too many trailers", "too_many_fields", &format!("0\r\n{}\r\n", "x: y\r\n".repeat(129))),
    ];
    for (at, (name, reason, body)) in rows.iter().enumerate() {
        let before = recorder.metric(&refused(reason));
        let mut client = recorder.client();
        let _ = client.try_send(format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{body}"));
        let response = client.response();
        let expected = if reason.starts_with("head") || reason.starts_with("too") { 431 } else { 400 };
        assert_eq!(response.status(), expected, "{name}: {}", response.text());
        assert_eq!(response.text(), format!("umbra-recorder: {reason}\n"), "{name}");
        assert!(client.is_closed_by_peer(), "{name}: still open");
        assert_eq!(recorder.metric(&refused(reason)), before + 1, "{name}: not counted as {reason}");
        assert_eq!(origin.bodies_read(), 0, "{name}: a whole request reached the origin");
        recorder
            .until("the request in the ledger", |ledger| ledger.ends.iter().map(|e| e.count).sum::<u64>() > at as u64);
    }
    // The heads were good: what came of each is recorded, as half a request.
    assert_eq!(recorder.drain().to_string(), format!("seen {0} = recorded {0}", rows.len()));
    assert!(store.exchanges().iter().all(|e| e.ending == Ending::ClientAborted && e.request.body.truncated));
}

#[test]
fn trailers_neither_frame_nor_route() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    let fields = "host: a\r\ntransfer-encoding: chunked\r\ntrailer: x-sum, host\r\n";
    let trailers = "content-length: 99\r\nhost: b\r\ntransfer-encoding: chunked\r\nauthorization: c\r\nx-sum: 1\r\n";
    let request = format!("POST / HTTP/1.1\r\n{fields}\r\n3\r\nabc\r\n0\r\n{trailers}\r\n");
    assert_eq!(recorder.client().exchange(request).status(), 200);
    let seen = origin.only();
    assert_eq!(seen.body.trailers, [(b"x-sum".to_vec(), b"1".to_vec())]);
    assert_eq!(seen.head.get("host"), "a");
    recorder.drain();
    // The record has what arrived.
    assert_eq!(store.exchanges()[0].request.trailers.iter().count(), 5);
}

#[test]
fn what_connection_names_goes_no_further_and_host_does() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    let fields = "host: a\r\nx-a: 1\r\nx-b: 2\r\nkeep-alive: 9\r\nproxy-connection: x\r\ncontent-length: 3\r\n";
    let request = format!("POST / HTTP/1.1\r\n{fields}connection: close, host, x-a, content-length\r\n\r\nabc");
    assert_eq!(recorder.client().exchange(request).status(), 200);
    let head = origin.only().head;
    for gone in ["x-a", "keep-alive", "proxy-connection", "connection"] {
        assert!(head.all(gone).is_empty(), "{gone} in {head:?}");
    }
    for (kept, value) in [("host", "a"), ("x-b", "2"), ("content-length", "3")] {
        assert_eq!(head.get(kept), value, "{head:?}");
    }
    recorder.drain();
}

#[test]
fn requests_before_a_refused_one_are_answered() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    let mut client = recorder.client();
    let good = get("host: a\r\n");
    client.send(format!("{good}{good}{}{good}", get("host : a\r\n")));
    for status in [200, 200, 400] {
        assert_eq!(client.response().status(), status);
    }
    assert!(client.is_closed_by_peer());
    assert_eq!(origin.begun(), 2);
    assert_eq!(recorder.drain().to_string(), "seen 3 = recorded 2 + skipped{refused} 1");
}

#[test]
fn fields_are_recorded_in_the_order_of_the_wire() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    let request = "GET / HTTP/1.1\r\nB: 1\r\nHost: a\r\nA: 2\r\nb: 3\r\nConnection: close\r\n\r\n";
    assert_eq!(recorder.client().exchange(request).status(), 200);
    recorder.drain();
    let exchanges = store.exchanges();
    let fields: Vec<_> = exchanges[0].request.headers.iter().collect();
    let sent: [(&[u8], &[u8]); 5] =
        [(b"b", b"1"), (b"host", b"a"), (b"a", b"2"), (b"b", b"3"), (b"connection", b"close")];
    assert_eq!(fields, sent);
}
