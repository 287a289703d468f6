//! A replayer that runs as a process, with its admin listener.

use std::net::SocketAddr;

use umbra_tests::process::{Finished, Process};
use umbra_tests::wire::{RawClient, RawResponse};

use crate::programs::replayer;

/// The process and where it is controlled.
pub(crate) struct Controlled {
    process: Process,
    admin: SocketAddr,
}

impl Controlled {
    /// Starts one with these arguments, besides its admin listener.
    #[track_caller]
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::started(replayer(&[arguments, &["--admin", "127.0.0.1:0"]].concat()))
    }

    /// One that has been started with an admin listener on any interface.
    #[track_caller]
    pub(crate) fn started(mut process: Process) -> Self {
        let line = process.stderr_line("admin on ");
        let (_, address) = line.rsplit_once("admin on ").unwrap();
        let port = address.trim().parse::<SocketAddr>().unwrap_or_else(|e| panic!("{e}: {line}")).port();
        Self { process, admin: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    /// Where it is controlled.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Asks for something, with further header lines.
    pub(crate) fn ask(&self, method: &str, path: &str, lines: &str, body: &str) -> RawResponse {
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n{lines}");
        RawClient::connect(self.admin).exchange(format!("{head}content-length: {length}\r\n\r\n{body}"))
    }

    /// Gives a command; what is said to it.
    #[track_caller]
    pub(crate) fn command(&self, path: &str, body: &str) -> String {
        let response = self.ask("POST", path, "", body);
        String::from_utf8(response.body.bytes).unwrap()
    }

    /// `/status`, parsed.
    pub(crate) fn status(&self) -> serde_json::Value {
        serde_json::from_slice(&self.ask("GET", "/status", "", "").body.bytes).expect("/status is JSON")
    }

    /// Where it is controlled.
    pub(crate) fn admin_addr(&self) -> SocketAddr {
        self.admin
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn finish(self) -> Finished {
        self.process.finish()
    }
}
