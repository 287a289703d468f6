//! What operators see.

use serde_json::Value;

use crate::harness::{Bench, Origin, eventually};

#[test]
fn the_ledger_is_in_the_status_and_in_the_metrics() {
    let bench = Bench::before(&Origin::echo(), &["--sample-by", "client"]);
    let mut client = bench.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    client.head();
    eventually("it is recorded", || bench.recorder.ledger().state("recorded") == 1);

    let status = bench.admin("/status");
    let (head, json) = status.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("application/json"), "{head}");
    let status: Value = serde_json::from_str(json).unwrap();
    assert_eq!(status["ledger"]["sum"], "seen 1 = recorded 1");
    assert_eq!(status["ledger"]["ended"]["dropped"]["memory"], 0);
    assert_eq!(status["store"]["state"], "up");
    assert_eq!(status["sampling"]["by"], "client");
    assert_eq!(status["redaction"]["masked"][1], "cookie");
    assert_eq!(status["recording"]["on"], true);
    assert_eq!(status["rules"]["list"][0]["matched"], 1);
    let text = bench.admin("/status?format=text");
    assert!(text.contains("text/plain") && text.contains("\nledger.sum: seen 1 = recorded 1\n"), "{text}");

    let metrics = bench.admin("/metrics");
    for line in [
        "umbra_recorder_requests_seen_total 1",
        "umbra_recorder_requests_ended_total{state=\"recorded\",reason=\"\"} 1",
        "umbra_recorder_requests_ended_total{state=\"dropped\",reason=\"queue_full\"} 0",
        "umbra_recorder_responses_total{class=\"2xx\"} 1",
        "umbra_recorder_connections_open 1",
        "umbra_recorder_store_up 1",
        "umbra_recorder_memory_bytes 0",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line}: {metrics}");
    }
}

/// An alert on it would wake somebody for a service that has no traffic yet.
#[test]
fn a_store_that_was_given_nothing_yet_is_not_said_to_be_down() {
    let metrics = Bench::with(&["--sink"]).admin("/metrics");
    assert!(metrics.lines().any(|line| line == "umbra_recorder_store_up 1"), "{metrics}");
}

#[test]
fn other_paths_and_methods_are_refused() {
    let bench = Bench::with(&["--sink"]);
    assert!(bench.admin("/livez").starts_with("HTTP/1.1 200 "));
    assert!(bench.admin("/nothing").starts_with("HTTP/1.1 404 "));
    let mut wire = crate::harness::Wire::connect(bench.recorder.admin_addr());
    wire.send("POST /livez HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let answer = wire.read_to_end();
    assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: GET, HEAD"), "{answer}");
}
