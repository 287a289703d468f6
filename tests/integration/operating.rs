//! What operators see and do: the admin listener, and the recorder as a sink.

use umbra_common::exchange::Ending;
use umbra_tests::origin::Origin;
use umbra_tests::recorder::TestRecorder;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::eventually;

use crate::both_stores::on_both_stores;
use crate::programs::{recorder_with_files, replayer_with_files};

/// The value of one sample in the text format of Prometheus.
fn metric(text: &str, sample: &str) -> f64 {
    let line = text.lines().find(|l| l.strip_prefix(sample).is_some_and(|rest| rest.starts_with(' ')));
    let value = line.and_then(|l| l.rsplit(' ').next()).and_then(|v| v.parse().ok());
    value.unwrap_or_else(|| panic!("no {sample} in:\n{text}"))
}

#[test]
fn the_admin_listener_answers_what_probes_ask() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    assert_eq!(recorder.admin("/livez").status(), 200);
    assert_eq!(recorder.admin("/readyz").status(), 200);
    assert_eq!(recorder.admin("/nothing").status(), 404);
    assert_eq!(origin.begun(), 0, "operators' requests are no traffic");
    assert_eq!(recorder.ledger().seen, 0);
}

#[test]
fn status_and_metrics_tell_the_same_story_as_the_ledger() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    let mut client = recorder.client();
    for _ in 0..7 {
        client.exchange("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    client.exchange("GET / HTTP/1.1\r\nhost: a\r\numbra-shadow: job\r\n\r\n");
    recorder.until("all ends", |l| l.seen == 8 && l.balances());

    let status: serde_json::Value = serde_json::from_slice(&recorder.admin("/status").body.bytes).unwrap();
    assert_eq!(status["ledger"]["seen"], 8, "{status}");
    assert_eq!(status["ledger"]["ended"]["recorded"], 7, "{status}");
    assert_eq!(status["ledger"]["ended"]["skipped"]["marked"], 1, "{status}");
    assert_eq!(status["store"]["state"], "up", "{status}");

    let metrics = recorder.admin("/metrics");
    assert!(metrics.head.get("content-type").contains("text"), "{:?}", metrics.head);
    let text = metrics.text();
    assert_eq!(metric(&text, "umbra_recorder_requests_seen_total"), 8.0);
    let ended = |state: &str, reason: &str| {
        metric(&text, &format!("umbra_recorder_requests_ended_total{{state=\"{state}\",reason=\"{reason}\"}}"))
    };
    assert_eq!((ended("recorded", ""), ended("skipped", "marked")), (7.0, 1.0));
}

on_both_stores! {
    fn a_sink_answers_by_itself_and_records_the_host_without_the_suffix(store: &TestStore) {
        let recorder = TestRecorder::with(&["--store", store.url(), "--sink"]);
        let mut client = recorder.client();
        for host in ["api.example.com-shadow:8080", "plain.example.com"] {
            let request = format!("POST /mirrored HTTP/1.1\r\nhost: {host}\r\ncontent-length: 4\r\n\r\nbody");
            let status = client.exchange(request).status();
            assert!((200..300).contains(&status), "{status}");
        }
        drop(client);
        assert_eq!(recorder.drain().state("recorded"), 2);
        let exchanges = store.exchanges();
        let authorities: Vec<_> = exchanges.iter().map(|e| e.request.authority.escape_ascii().to_string()).collect();
        assert_eq!(authorities, ["api.example.com:8080", "plain.example.com"]);
        assert!(exchanges.iter().all(|e| e.ending == Ending::Sunk && &e.request.body.bytes[..] == b"body"));
    }
}

#[test]
fn a_recorder_starts_with_all_its_threads_or_says_what_it_lacks() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let upstream = origin.url();
    let flags = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--workers", "4"];
    let flags = [&flags[..], &["--store", store.url(), "--upstream", &upstream]].concat();
    let mut without_threads = 0;
    for files in 8..200 {
        let mut process = recorder_with_files(files, &flags);
        eventually("a start or an end", || process.stderr().contains("listening on") || !process.is_running());
        if process.is_running() {
            process.signal("TERM");
            let finished = process.finish().expect(0);
            assert!(!finished.stderr.contains("could not"), "{}", finished.stderr);
            assert!(without_threads > 0, "no number of files is enough to begin and too few for each thread");
            return;
        }
        let finished = process.finish();
        assert!(!finished.stderr.contains("panicked"), "{files} files: {}", finished.stderr);
        // Below some number not even the program's libraries are found.
        let refused = finished.status == Some(1) && finished.stderr.contains("ulimit -n");
        without_threads += usize::from(refused);
    }
    panic!("it never started");
}

#[test]
fn a_replayer_that_may_open_too_few_files_says_so() {
    let store = TestStore::sqlite();
    let mut refused = 0;
    for files in 4..40 {
        let finished = replayer_with_files(
            files,
            &["plan", "--store", store.url(), "--target", "a=http://127.0.0.1:9", "--from", "-1h"],
        )
        .finish();
        assert!(!finished.stderr.contains("panicked"), "{files} files: {}", finished.stderr);
        refused += usize::from(finished.status == Some(1) && finished.stderr.contains("ulimit -n"));
    }
    assert!(refused > 0, "no number of files is enough to begin and too few to go on");
}
