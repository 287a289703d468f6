//! What is refused reaches no origin, ends its connection, and is counted.

use crate::harness::{Bench, Origin};

#[test]
fn what_could_fool_an_intermediary_is_refused() {
    let origin = Origin::echo();
    let bench = Bench::before(&origin, &[]);
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(128));
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(33 << 10));
    let big = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "v".repeat(65 << 10));
    let refused = [
        (400, "GET / HTTP/1.1\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nhost: a, b\r\n\r\n"),
        (400, "GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n"),
        (400, "GET * HTTP/1.1\r\nhost: a\r\n\r\n"),
        (405, "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n"),
        (400, "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
        (400, "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        (400, "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd"),
        (400, "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +3\r\n\r\nabc"),
        (400, "GET / HTTP/1.1\r\nhost: a\r\nx : y\r\n\r\n"),
        (431, &many),
        (414, &long),
        (431, &big),
    ];
    for (status, request) in refused {
        let mut client = bench.client();
        client.send(request);
        let line = request.lines().nth(2).unwrap_or(request);
        let answer = client.read_to_end();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line:.60}: {answer:.80}");
        assert!(answer.to_lowercase().contains("connection: close"), "{line:.60}: {answer}");
    }
    let metrics = bench.admin("/metrics");
    assert!(metrics.contains("umbra_recorder_refused_total{reason=\"many_hosts\"} 1"), "{metrics}");
    assert_eq!(bench.drain().0.to_string(), "seen 14 = skipped{refused} 14");
    assert_eq!(origin.connections(), 0);
}
