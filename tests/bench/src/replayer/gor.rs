//! GoReplay, where it is installed: the same requests on the same grid, out of a file of its own format.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use umbra_common::rate::Rate;

use super::grid::Run;
use crate::receiver::{self, Receiver};
use crate::running::{Running, find};
use crate::stop::Stop;
use crate::usage;

/// It does not end by itself: it is ended when nothing has come for so long.
const SILENCE: Duration = Duration::from_secs(2);
/// Between two looks at what has come, and the most that is cut off what it used.
const LOOK: Duration = Duration::from_millis(20);
/// How many times the traffic's own length it gets.
pub(super) const PATIENCE: u32 = 4;
/// Behind each request of a file.
const SEPARATOR: &str = "\n🐵🙈🙉\n";

/// The program, if it is installed: its releases call it `gor`, Go's own installer `goreplay`.
pub(super) fn installed() -> Option<PathBuf> {
    find("gor").or_else(|| find("goreplay"))
}

/// Traffic in a file.
#[derive(Debug)]
pub(super) struct Capture {
    /// Requests in a second.
    pub(super) rate: u32,
    /// Requests in all.
    pub(super) count: u32,
    path: PathBuf,
}

impl Capture {
    pub(super) fn write(rate: u32, count: u32, dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join(format!("{rate}.gor"));
        let grid = Rate::per_second(rate).context("a rate of zero")?;
        let mut file = BufWriter::new(File::create(&path).with_context(|| format!("cannot write {}", path.display()))?);
        for n in 0..count {
            let (due, path) = (grid.due(n.into()).as_nanos(), receiver::path(n));
            // Its reader takes 1 for a request, then an id, a time in nanoseconds and a latency.
            write!(file, "1 {n:024x} {} 0\nGET {path} HTTP/1.1\r\nHost: bench\r\n\r\n{SEPARATOR}", EPOCH + due)?;
        }
        file.flush()?;
        Ok(Self { rate, count, path })
    }

    /// Plays it as it was recorded. With responses tracked, without which it makes a connection for each request.
    pub(super) fn play(&self, program: &Path, to: &Receiver, dir: &Path, stop: &Stop) -> anyhow::Result<Run> {
        let mut command = Command::new(program);
        command.arg("--input-file").arg(&self.path);
        command.args(["--output-http", &format!("http://{}", to.addr()), "--output-http-track-response"]);
        let gor = Running::start("gor", &mut command, dir)?;
        let length = Duration::from_secs(1) * self.count / self.rate;
        let end = Instant::now() + length * PATIENCE;
        let (mut come, mut since, mut cpu) = (0, Instant::now(), Duration::ZERO);
        while come < self.count as usize && since.elapsed() < SILENCE && Instant::now() < end {
            stop.pass(LOOK)?;
            if to.count() > come {
                (come, since, cpu) = (to.count(), Instant::now(), usage::cpu(gor.pid()));
            }
        }
        drop(gor);
        if come == 0 {
            bail!("GoReplay sent nothing in {SILENCE:?}");
        }
        Ok(Run { received: to.take(), cpu })
    }
}

/// Some time of recording, in nanoseconds: any will do.
const EPOCH: u128 = 1_700_000_000_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_every_request_at_its_time() {
        let dir = tempfile::tempdir().unwrap();
        let capture = Capture::write(1000, 3, dir.path()).unwrap();
        let text = std::fs::read_to_string(&capture.path).unwrap();
        let requests: Vec<&str> = text.split_terminator(SEPARATOR).collect();
        assert_eq!(requests.len(), 3);
        assert_eq!(
            requests[2],
            format!("1 {:024x} 1700000000002000000 0\nGET {} HTTP/1.1\r\nHost: bench\r\n\r\n", 2, receiver::path(2))
        );
    }
}
