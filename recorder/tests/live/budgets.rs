//! What does not fit is dropped and counted, and never held up.

use std::io::Write;

use crate::harness::{Bench, Origin};

/// An origin that reads bodies of known length and says how long they were.
fn measuring() -> Origin {
    Origin::run(|mut wire| {
        let head = wire.head();
        let length: usize = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        let got = wire.read_until("END").len();
        assert_eq!(got, length);
        let answer = length.to_string();
        wire.send(format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{answer}", answer.len()));
    })
}

fn upload(bench: &Bench, length: usize) -> String {
    let mut client = bench.client();
    let mut request =
        format!("POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n").into_bytes();
    request.extend(std::iter::repeat_n(b'x', length - 3));
    request.write_all(b"END").unwrap();
    client.send(request);
    client.read_to_end()
}

#[test]
fn a_body_over_the_limit_passes_whole_and_is_recorded_cut() {
    let bench = Bench::before(&measuring(), &["--body-limit", "1KiB"]);
    assert!(upload(&bench, 300_000).ends_with("300000"));
    let (_, exchanges) = bench.drain();
    let body = &exchanges[0].request.body;
    assert_eq!((body.bytes.len(), body.length, body.truncated), (1024, 300_000, true));
}

#[test]
fn a_record_that_the_memory_has_no_room_for_is_dropped_and_its_request_passes() {
    // Such a body alone is all that one record may hold; its head is over it.
    let bench = Bench::before(&measuring(), &["--body-limit", "576KiB", "--memory-limit", "1MiB"]);
    assert!(upload(&bench, 2 << 20).ends_with("2097152"));
    assert!(upload(&bench, 1000).ends_with("1000"));
    let (ledger, exchanges) = bench.drain();
    assert_eq!(ledger.to_string(), "seen 2 = recorded 1 + dropped{memory_share} 1");
    assert_eq!(exchanges[0].request.body.length, 1000);
}
