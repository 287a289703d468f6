//! `--spool`: an outage costs no record, a restart in the middle of it neither, and nothing grows without bound.

use std::collections::BTreeSet;

use umbra_tests::chaos::{Chaos, Mode};
use umbra_tests::origin::Origin;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::eventually;
use umbra_tests::wire::RawClient;

use crate::running::Running;

/// A recorder with a spool, on a Kafka behind a proxy, that notices an outage soon.
struct Setup {
    store: TestStore,
    chaos: Chaos,
    origin: Origin,
}

impl Setup {
    fn new() -> Self {
        let store = TestStore::kafka();
        let chaos = store.chaos();
        Self { store, chaos, origin: Origin::start() }
    }

    fn start(&self, more: &[&str]) -> Running {
        let file = self.store.directory().join("recorder.toml");
        // Long enough for a busy machine to deliver within it.
        let kafka = "message.timeout.ms = 5000\nreconnect.backoff.max.ms = 200";
        let text = format!("[store]\nurl = '{}'\n[store.kafka]\n{kafka}\n", self.store.url_through(&self.chaos));
        std::fs::write(&file, text).unwrap();
        let (file, spool) = (file.display().to_string(), self.store.directory().join("spool").display().to_string());
        let flags = ["--config", &file, "--spool", &spool, "--upstream", &self.origin.url(), "--drain-timeout", "2s"];
        Running::start(&[&flags[..], more].concat())
    }

    /// The targets in the store.
    fn targets(&self) -> BTreeSet<String> {
        let target = |e: umbra_common::exchange::Exchange| String::from_utf8_lossy(&e.request.target).into_owned();
        self.store.exchanges().into_iter().map(target).collect()
    }
}

fn requests(recorder: &Running, numbers: std::ops::Range<u32>, size: usize) {
    let mut client = RawClient::connect(recorder.addr());
    for n in numbers {
        let head = format!("POST /{n} HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\n\r\n");
        assert_eq!(client.exchange([head.as_bytes(), &vec![b'x'; size]].concat()).status(), 200, "request {n}");
    }
}

fn recorded(recorder: &Running, count: u64) {
    eventually(&format!("{count} recorded"), || recorder.status()["ledger"]["ended"]["recorded"] == count);
}

#[test]
fn an_outage_and_a_crash_in_the_middle_of_it_lose_no_record() {
    let setup = Setup::new();
    let recorder = setup.start(&[]);
    requests(&recorder, 0..20, 100);
    recorded(&recorder, 20);
    assert_eq!(recorder.status()["spool"]["written"], 0, "nothing is written while the store takes records");

    setup.chaos.set(Mode::Cut);
    requests(&recorder, 20..120, 100);
    recorded(&recorder, 120);
    let status = recorder.status();
    assert_eq!(
        (&status["store"]["state"], status["spool"]["written"].as_u64()),
        (&"down".into(), Some(100)),
        "{status}"
    );
    recorder.signal("KILL");
    drop(recorder);

    let mut recorder = setup.start(&[]);
    requests(&recorder, 120..150, 100);
    recorded(&recorder, 30);
    recorder.program().stderr_line("their records go to the spool");
    setup.chaos.set(Mode::Pass);
    requests(&recorder, 150..160, 100);
    recorded(&recorder, 40);
    eventually("an empty spool", || recorder.status()["spool"]["bytes"] == 0);
    let metrics = recorder.admin("/metrics").text();
    assert!(metrics.contains("umbra_recorder_spool_bytes 0"), "{metrics}");
    recorder.signal("TERM");
    let finished = recorder.finish().expect(0);
    assert!(finished.stderr.contains("drained: seen 40 = recorded 40"), "{}", finished.stderr);
    assert_eq!(setup.targets(), (0..160).map(|n| format!("/{n}")).collect());
}

#[test]
fn a_recorder_that_ends_during_an_outage_leaves_its_records_to_the_next() {
    let setup = Setup::new();
    setup.chaos.set(Mode::Cut);
    let recorder = setup.start(&[]);
    requests(&recorder, 0..50, 100);
    recorder.signal("TERM");
    let finished = recorder.finish().expect(0);
    assert!(finished.stderr.contains("drained: seen 50 = recorded 50"), "{}", finished.stderr);
    setup.chaos.set(Mode::Pass);
    let recorder = setup.start(&[]);
    eventually("an empty spool", || recorder.status()["spool"]["bytes"] == 0);
    recorder.signal("TERM");
    let finished = recorder.finish().expect(0);
    assert!(finished.stderr.contains("seen 0"), "what was counted once is not counted again: {}", finished.stderr);
    assert_eq!(setup.targets(), (0..50).map(|n| format!("/{n}")).collect());
}

#[test]
fn a_full_spool_costs_records_and_no_request() {
    let setup = Setup::new();
    setup.chaos.set(Mode::Cut);
    let recorder = setup.start(&["--spool-limit", "1MiB", "--memory-limit", "2MiB"]);
    requests(&recorder, 0..60, 60_000);
    eventually("full", || recorder.status()["ledger"]["ended"]["dropped"]["spool_full"].as_u64() > Some(0));
    let status = recorder.status();
    assert!(status["spool"]["bytes"].as_u64().unwrap() <= 1 << 20, "{status}");
    recorder.signal("TERM");
    let finished = recorder.finish().expect(0);
    assert!(finished.stderr.contains("seen 60 = recorded"), "{}", finished.stderr);
    assert!(!finished.stderr.contains("open"), "{}", finished.stderr);
}

#[test]
fn a_spool_that_another_recorder_uses_is_refused() {
    let setup = Setup::new();
    let _first = setup.start(&[]);
    let file = setup.store.directory().join("recorder.toml").display().to_string();
    let spool = setup.store.directory().join("spool").display().to_string();
    let url = setup.origin.url();
    let flags =
        ["--config", &file, "--spool", &spool, "--upstream", &url, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    crate::programs::assert_refused(
        crate::programs::recorder(&flags),
        2,
        &["cannot use the spool", "another process uses it"],
    );
}
