//! The programs that others load servers with: wrk by HTTP/1.1, h2load by HTTP/2.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::process::Process;

/// What a load came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Requests that were answered with 2xx.
    pub answered: usize,
    /// Requests that were answered otherwise, or not, as far as the program can tell.
    pub failed: usize,
    /// All that the program said.
    pub said: String,
}

/// wrk on some keep-alive connections, until it is stopped.
#[derive(Debug)]
pub struct Wrk(Process);

impl Wrk {
    /// Begins. Ends by itself only long after any test.
    pub fn start(to: SocketAddr, connections: u32) -> Self {
        let (connections, url) = (format!("-c{connections}"), format!("http://{to}/wrk"));
        let arguments = ["-t1", &connections, "-d600s", "--timeout", "20s", &url];
        Self(Process::start(&installed("wrk", "wrk"), &arguments, &[]))
    }

    /// Stops it and reads its figures.
    pub fn stop(self) -> Loaded {
        self.0.signal("INT");
        let said = self.0.finish().expect(0).stdout;
        let answered = said.lines().find_map(|l| l.trim().split_once(" requests in ")?.0.parse().ok());
        let after = |what: &str| said.lines().find_map(|l| l.trim().strip_prefix(what));
        let numbers = |text: &str| -> usize {
            text.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse::<usize>().ok()).sum()
        };
        let failed =
            ["Socket errors: ", "Non-2xx or 3xx responses: "].iter().filter_map(|what| after(what)).map(numbers);
        let (answered, failed) = (answered.unwrap_or_else(|| panic!("wrk said: {said}")), failed.sum());
        Loaded { answered, failed, said }
    }
}

/// Runs h2load once, to its end.
///
/// It goes on only with the connections that it began with. What it has not sent when a server says goodbye, it counts as
/// an error and never sends: only answers other than 2xx are failures here. Whether each request that was sent has been
/// answered, the server's count tells.
pub fn h2load(to: SocketAddr, requests: u32) -> Loaded {
    let (requests, url) = (format!("-n{requests}"), format!("http://{to}/h2load"));
    let process = Process::start(&installed("h2load", "nghttp2-client"), &[&requests, "-c4", "-m8", "-t1", &url], &[]);
    let said = process.finish().expect(0).stdout;
    let statuses = said.lines().find_map(|l| l.strip_prefix("status codes: ")).unwrap_or_else(|| panic!("{said}"));
    let count = |class: &str| -> usize {
        statuses
            .split(", ")
            .find_map(|c| c.strip_suffix(class)?.trim().parse().ok())
            .unwrap_or_else(|| panic!("{said}"))
    };
    Loaded { answered: count("2xx"), failed: count("3xx") + count("4xx") + count("5xx"), said }
}

/// The path of a program; fails the test where it is not installed.
fn installed(program: &str, package: &str) -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = places.map(|dir| dir.join(program)).find(|file| file.is_file());
    found
        .unwrap_or_else(|| panic!("{program} is not installed: apt-get install {package}"))
        .to_string_lossy()
        .into_owned()
}
