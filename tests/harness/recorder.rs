//! A recorder in this process, by the flags of its command line.

use std::net::SocketAddr;

use clap::Parser;
use umbra_common::ledger::Snapshot;
use umbra_common::store::StoreState;
use umbra_recorder::{Flags, Recorder};

use crate::ledgers::assert_balances;
use crate::stores::TestStore;
use crate::wait::eventually;
use crate::wire::{RawClient, RawResponse};

/// A running recorder on ports of its own.
pub struct TestRecorder {
    recorder: Recorder,
}

impl TestRecorder {
    /// In front of `upstream`, with further flags.
    #[track_caller]
    pub fn start(store: &TestStore, upstream: &str, flags: &[&str]) -> Self {
        Self::with(&[&["--store", store.url(), "--upstream", upstream], flags].concat())
    }

    /// With these flags, besides the addresses it listens on.
    #[track_caller]
    pub fn with(flags: &[&str]) -> Self {
        let mut own = vec!["umbra-recorder", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        if !flags.contains(&"--workers") {
            // Two workers: what they share is shared in tests too.
            own.extend(["--workers", "2"]);
        }
        let flags = Flags::try_parse_from(own.iter().chain(flags)).unwrap_or_else(|e| panic!("{e}"));
        let config = flags.layered().unwrap_or_else(|e| panic!("{e}")).into_config().unwrap_or_else(|e| panic!("{e}"));
        Self { recorder: Recorder::start(config).unwrap_or_else(|e| panic!("starting a recorder: {e}")) }
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.recorder.addr()
    }

    /// Where clients connect, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// A client's connection.
    pub fn client(&self) -> RawClient {
        RawClient::connect(self.addr())
    }

    /// What the admin listener answers to a GET.
    pub fn admin(&self, path: &str) -> RawResponse {
        let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
        RawClient::connect(self.recorder.admin_addr()).exchange(request)
    }

    /// The value of a metric, by its name and labels as `/metrics` prints them.
    #[track_caller]
    pub fn metric(&self, name: &str) -> u64 {
        let metrics = self.admin("/metrics").text();
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in:\n{metrics}"))
    }

    /// The ledger now.
    pub fn ledger(&self) -> Snapshot {
        self.recorder.ledger()
    }

    /// What is known of the store.
    pub fn store_state(&self) -> StoreState {
        self.recorder.store_state()
    }

    /// Waits until the ledger is as wanted.
    #[track_caller]
    pub fn until(&self, what: &str, wanted: impl Fn(&Snapshot) -> bool) {
        eventually(what, || wanted(&self.ledger()));
    }

    /// Drains it; the ledger must add up.
    #[track_caller]
    pub fn drain(self) -> Snapshot {
        let ledger = self.recorder.drain();
        assert_balances(&ledger);
        ledger
    }
}
