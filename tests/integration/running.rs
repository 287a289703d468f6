//! A recorder that runs as a process, with its addresses read from what it says.

use std::net::SocketAddr;

use umbra_tests::process::{Finished, Process};
use umbra_tests::wire::{RawClient, RawResponse};

use crate::programs::recorder_in;

/// The process and where it listens.
pub(crate) struct Running {
    process: Process,
    addr: SocketAddr,
    admin: SocketAddr,
}

impl Running {
    /// Starts one with these arguments, besides the addresses it listens on.
    #[track_caller]
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_in(&[], &[&["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"], arguments].concat())
    }

    /// Starts one with this environment and these arguments alone.
    #[track_caller]
    pub(crate) fn start_in(environment: &[(&str, &str)], arguments: &[&str]) -> Self {
        Self::of(recorder_in(environment, arguments))
    }

    /// One that has been started, as soon as it listens.
    #[track_caller]
    pub(crate) fn of(mut process: Process) -> Self {
        let line = process.stderr_line("listening on");
        let (addr, admin) = (address(&line, "listening on "), address(&line, "admin on "));
        Self { process, addr, admin }
    }

    /// Where clients connect.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The process.
    pub(crate) fn program(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Where operators connect.
    pub(crate) fn admin_addr(&self) -> SocketAddr {
        self.admin
    }

    /// What the admin listener answers to a request.
    pub(crate) fn ask(&self, request: &str) -> RawResponse {
        RawClient::connect(self.admin).exchange(request)
    }

    /// What the admin listener answers to a GET.
    pub(crate) fn admin(&self, path: &str) -> RawResponse {
        let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
        RawClient::connect(self.admin).exchange(request)
    }

    /// `/status`, parsed.
    pub(crate) fn status(&self) -> serde_json::Value {
        serde_json::from_slice(&self.admin("/status").body.bytes).expect("/status is JSON")
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

/// The address that follows some words in a line.
#[track_caller]
fn address(line: &str, words: &str) -> SocketAddr {
    let (_, rest) = line.split_once(words).unwrap_or_else(|| panic!("'{words}' is missing in: {line}"));
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':')).unwrap_or(rest.len());
    rest[..end].parse().unwrap_or_else(|e| panic!("{e}: {line}"))
}
