//! Other people's proxies, as their users run them, with the configurations that `deploy/proxies` ships: in front of a
//! service with a mirror to a sink, or in front of staging with a route for the shadow host.

pub mod envoy;
pub mod haproxy;
pub mod nginx;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;

use tempfile::TempDir;

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

/// Where a program is; fails, saying what to install, where it is not.
#[track_caller]
pub fn installed(program: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps servers where only root's PATH has them.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let mut programs = folders.map(|folder| folder.join(program));
    programs
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{program} is not installed: install it by {package}"))
}

/// An address that is free, and will be unless somebody else takes it in the same moment.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
