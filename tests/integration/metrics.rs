//! Every metric is documented, every documented metric is there, and each moves when what it counts happens.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use umbra_tests::http2::Http2Client;
use umbra_tests::origin::{Answer, Origin};
use umbra_tests::stores::TestStore;
use umbra_tests::wait::{eventually, eventually_some};
use umbra_tests::wire::{Head, RawClient};

use crate::running::Running;

/// What never moves.
const CONSTANT: [&str; 3] =
    ["umbra_recorder_build_info", "umbra_recorder_memory_limit_bytes", "umbra_recorder_queue_limit_batches"];

/// What it takes more to move, by the beginning of its name, and the module that does.
const MOVED_ELSEWHERE: [(&str, &str); 10] = [
    ("umbra_recorder_accept_failures_", "it takes a process without file descriptors: edge"),
    ("umbra_recorder_connections_ended_", "edge"),
    ("umbra_recorder_http2_", "edge"),
    ("umbra_recorder_queue_batches", "it is empty within 20 ms: faults"),
    ("umbra_recorder_spool_", "spooling"),
    ("umbra_recorder_store_up", "it is 0 while the store is down: store_faults"),
    ("umbra_recorder_tunnel", "tunnels"),
    ("umbra_recorder_upstream_sent_again_", "goodbyes"),
    ("umbra_recorder_tls_", "tls"),
    ("umbra_recorder_certificate_", "tls"),
];

/// The names in the tables of the recorder's README.
fn documented() -> BTreeSet<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../recorder/README.md");
    let text = std::fs::read_to_string(file).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `umbra_recorder_"));
    rows.map(|row| format!("umbra_recorder_{}", row.split(['`', '{']).next().unwrap())).collect()
}

/// The name that a sample of a family is documented under, with the sum of its samples' values and labels.
fn exposed(text: &str) -> BTreeMap<String, Vec<String>> {
    let kinds: BTreeMap<&str, &str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).filter_map(|line| line.split_once(' ')).collect();
    let mut families = BTreeMap::<String, Vec<String>>::new();
    for (family, kind) in &kinds {
        let name = if *kind == "counter" { format!("{family}_total") } else { (*family).to_owned() };
        let of = |line: &&str| {
            let sample = line.split(['{', ' ']).next().unwrap_or_default();
            sample == name || *kind == "histogram" && sample == format!("{family}_count")
        };
        families.insert(name.clone(), text.lines().filter(of).map(str::to_owned).collect());
    }
    families
}

fn metrics(recorder: &Running) -> BTreeMap<String, Vec<String>> {
    exposed(&recorder.admin("/metrics").text())
}

#[test]
fn the_documentation_names_every_metric_and_no_other() {
    let (store, origin) = (TestStore::sqlite(), Origin::start());
    let plain = Running::start(&["--store", store.url(), "--upstream", &origin.url()]);
    // A spool waits for a Kafka; none is asked.
    let spool = store.directory().join("spool");
    let flags = ["--store", "kafka://127.0.0.1:1/t", "--upstream", &origin.url(), "--spool", spool.to_str().unwrap()];
    let spooling = Running::start(&flags);
    let there: BTreeSet<String> = metrics(&plain).into_keys().chain(metrics(&spooling).into_keys()).collect();
    let documented = documented();
    let missing: Vec<_> = there.difference(&documented).collect();
    let gone: Vec<_> = documented.difference(&there).collect();
    assert!(missing.is_empty() && gone.is_empty(), "not documented: {missing:?}; documented and not there: {gone:?}");
}

#[test]
fn every_metric_moves_when_what_it_counts_happens() {
    let store = TestStore::sqlite();
    let origin = Origin::with(|head: &Head| match head.target() {
        b"/hang" => Answer::hang_up(),
        _ => Answer::ok("a body"),
    });
    let rules = store.directory().join("rules.toml");
    std::fs::write(&rules, "[[rule]]\nname = 'all'\nsample = '100%'\n[[redact]]\njson = '/a'\n").unwrap();
    let flags = ["--store", store.url(), "--upstream", &origin.url(), "--rules", rules.to_str().unwrap()];
    let recorder = Running::start(&flags);
    let before = metrics(&recorder);

    let mut client = RawClient::connect(recorder.addr());
    let json = "content-type: application/json\r\nauthorization: x\r\ncontent-length: 2\r\n\r\n";
    client.exchange(format!("POST /malformed HTTP/1.1\r\nhost: a\r\n{json}{{x"));
    client.exchange("GET /hang HTTP/1.1\r\nhost: a\r\n\r\n");
    RawClient::connect(recorder.addr()).exchange("GET / HTTP/1.1\r\n\r\n");
    let mut http2 = Http2Client::connect(recorder.addr());
    http2.exchange(http::Request::get("http://a/").body(bytes::Bytes::new()).unwrap());
    let put = |text: &str| {
        recorder
            .ask(&format!("PUT /rules HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{text}", text.len()))
            .status()
    };
    // Its body is looked into by the rules that are in force then.
    eventually("the malformed one is recorded", || recorder.status()["ledger"]["open"] == 0);
    assert_eq!((put("what"), put("[[rule]]\nname = 'all'\nsample = '99%'\n")), (400, 200));
    eventually("all are recorded", || recorder.status()["ledger"]["open"] == 0);
    // One more that is under way.
    client.send("POST /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc");
    let memory = |metrics: &BTreeMap<String, Vec<String>>| metrics["umbra_recorder_memory_bytes"].clone();
    let after = eventually_some("the slow request is under way", || {
        let after = metrics(&recorder);
        (memory(&after) != memory(&before)).then_some(after)
    });
    recorder.ask("POST /recording/pause HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
    let paused = metrics(&recorder);

    for (name, was) in &before {
        let elsewhere = MOVED_ELSEWHERE.iter().any(|(beginning, _)| name.starts_with(beginning));
        let moved = after[name] != *was || paused[name] != *was;
        assert!(moved || elsewhere || CONSTANT.contains(&name.as_str()), "{name} has not moved: {was:?}");
    }
}
