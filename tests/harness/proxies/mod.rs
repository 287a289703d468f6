//! Other people's proxies, as their users run them, with the configurations that `deploy/proxies` ships: in front of a
//! service with a mirror to a sink, or in front of staging with a route for the shadow host.

pub mod envoy;
pub mod haproxy;
pub mod nginx;

use std::net::{SocketAddr, TcpStream};

use tempfile::TempDir;

use crate::installed::installed;
use crate::ports::free_address;
use crate::process::Process;
use crate::wait::eventually;

/// What a shipped configuration with a mirror calls the service, and the sink.
const SERVICE: &str = "127.0.0.1:3000";
const SINK: &str = "127.0.0.1:8081";

/// A running proxy. Ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    process: Process,
    _directory: TempDir,
}

impl Proxy {
    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where clients connect, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What it has said on standard error.
    pub fn said(&self) -> String {
        self.process.stderr()
    }

    /// Starts a program with the configuration that `configure` writes for an address; `arguments` are given its path.
    #[track_caller]
    fn start(
        program: &str,
        package: &str,
        configure: impl Fn(SocketAddr, &TempDir) -> String,
        arguments: impl Fn(&str) -> Vec<String>,
    ) -> Self {
        let program = installed(program, package);
        let directory = tempfile::tempdir().unwrap();
        let addr = free_address();
        // Envoy goes by the ending; the others do not mind.
        let file = directory.path().join("configuration.yaml");
        std::fs::write(&file, configure(addr, &directory)).unwrap();
        let mut process = Process::start(program.to_str().unwrap(), &arguments(file.to_str().unwrap()), &[]);
        eventually("the proxy takes connections", || {
            assert!(process.is_running(), "{}: {}{}", program.display(), process.stdout(), process.stderr());
            TcpStream::connect(addr).is_ok()
        });
        Self { addr, process, _directory: directory }
    }
}
