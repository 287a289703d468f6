//! What connections cost that are kept and do nothing.

use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context;

use crate::contender::{Contender, Kind, Stage};
use crate::stop::Stop;
use crate::usage;

/// So many, or as many as this process may open.
const CONNECTIONS: usize = 10_000;

/// What this process keeps open besides.
const OTHERS: usize = 256;

/// What idle connections did to one proxy's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle {
    kind: Kind,
    connections: usize,
    before: u64,
    with: u64,
}

/// Starts a proxy, sends one request on each of many connections, and looks at its memory while all are open.
pub fn measure(kind: Kind, stage: Stage<'_>, stop: &Stop) -> anyhow::Result<Idle> {
    let own = stage.dir.join(format!("idle-{kind:?}"));
    std::fs::create_dir_all(&own)?;
    let contender = Contender::start(kind, Stage { dir: &own, ..stage }, None)?;
    let before = usage::resident(contender.running.pid());
    let connections = CONNECTIONS.min(open_files().saturating_sub(OTHERS));
    let mut open = Vec::with_capacity(connections);
    for n in 0..connections {
        stop.check()?;
        open.push(ask(contender.http1).with_context(|| format!("connection {n} of {connections}"))?);
    }
    let with = usage::resident(contender.running.pid());
    Ok(Idle { kind, connections: open.len(), before, with })
}

/// A connection on which one request has been answered.
fn ask(at: SocketAddr) -> anyhow::Result<TcpStream> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&at, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: bench\r\n\r\n")?;
    let (mut said, mut buffer) = (Vec::new(), [0; 1024]);
    while !said.ends_with(b"}\n") {
        let n = stream.read(&mut buffer)?;
        anyhow::ensure!(n > 0, "closed after {}", said.escape_ascii());
        said.extend_from_slice(&buffer[..n]);
    }
    Ok(stream)
}

/// How many files this process may open.
fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next());
    soft.and_then(|n| n.parse().ok()).unwrap_or(1024)
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIB: f64 = (1 << 20) as f64;
        let each = self.with.saturating_sub(self.before) as f64 / self.connections.max(1) as f64 / 1024.0;
        write!(
            f,
            "{} idle keep-alive connections to {}: {:.1} MiB resident, {:.1} before, {each:.2} KiB each",
            self.connections,
            self.kind,
            self.with as f64 / MIB,
            self.before as f64 / MIB,
        )?;
        if self.kind.records() { f.write_str(" (bound: 150 MiB for 10000)") } else { Ok(()) }
    }
}
