//! Other people's proxies, as their users run them: in front of an origin, with a mirror to a sink.

mod envoy;
mod haproxy;
mod nginx;

use std::net::{SocketAddr, TcpListener, TcpStream};

use tempfile::TempDir;

use crate::process::Process;
use crate::wait::eventually;

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
        let path = std::env::var_os("PATH").unwrap_or_default();
        // Debian keeps servers where only root's PATH has them.
        let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
        let program = folders
            .map(|folder| folder.join(program))
            .find(|file| file.is_file())
            .unwrap_or_else(|| panic!("{program} is not installed: install it by {package}"));
        let directory = tempfile::tempdir().unwrap();
        let addr = free_address();
        let file = directory.path().join("configuration");
        std::fs::write(&file, configure(addr, &directory)).unwrap();
        let mut process = Process::start(program.to_str().unwrap(), &arguments(file.to_str().unwrap()), &[]);
        eventually("the proxy takes connections", || {
            assert!(process.is_running(), "{}: {}{}", program.display(), process.stdout(), process.stderr());
            TcpStream::connect(addr).is_ok()
        });
        Self { addr, process, _directory: directory }
    }
}

/// An address that is free, and will be unless somebody else takes it in the same moment.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
