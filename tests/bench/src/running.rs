//! A program that the bench has started, with everything that it starts itself.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::stop::Stop;
use crate::usage;

/// A proxy or a server that does not answer by then will not.
const START: Duration = Duration::from_secs(20);
/// What a program gets to end by itself before it is killed.
const END: Duration = Duration::from_secs(3);
/// Between two looks at a process.
const LOOK: Duration = Duration::from_millis(10);

/// A running program. Ended, with its descendants, when this is dropped.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a program, its output going to a file in `dir`.
    pub fn start(name: &str, command: &mut Command, dir: &Path) -> anyhow::Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {name} ({})", command.get_program().display()))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it answers a GET with 200.
    pub fn answers(&mut self, at: SocketAddr) -> anyhow::Result<()> {
        let end = Instant::now() + START;
        while get(at, "/").is_none() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}:\n{}", self.name, self.said());
            }
            ensure!(Instant::now() < end, "{} does not answer at {at} within {START:?}:\n{}", self.name, self.said());
            sleep(LOOK);
        }
        Ok(())
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The descendants too: Envoy's starter is a script, nginx has workers, and neither passes a kill on.
        let all = usage::tree(self.pid());
        signal("TERM", &all);
        let end = Instant::now() + END;
        while all.iter().any(|p| usage::is_running(*p)) && Instant::now() < end {
            sleep(LOOK);
        }
        let left: Vec<u32> = all.into_iter().filter(|p| usage::is_running(*p)).collect();
        signal("KILL", &left);
        let _ = self.child.wait();
    }
}

fn signal(name: &str, to: &[u32]) {
    if to.is_empty() {
        return;
    }
    // The shell's own kill is there where the command of that name is not. A process that is gone is no failure.
    let pids: Vec<String> = to.iter().map(ToString::to_string).collect();
    let kill = format!("kill -{name} {} 2>/dev/null", pids.join(" "));
    let _ = Command::new("sh").args(["-c", &kill]).status();
}

/// Runs a program to its end, or until the bench is interrupted, and gives what it said.
pub fn output(command: &mut Command, dir: &Path, stop: &Stop) -> anyhow::Result<String> {
    watched(command, dir, stop, &mut |_| {})
}

/// The same, calling `watch` with its process id meanwhile.
pub fn watched(command: &mut Command, dir: &Path, stop: &Stop, watch: &mut dyn FnMut(u32)) -> anyhow::Result<String> {
    let said = dir.join("output.txt");
    let file = std::fs::File::create(&said)?;
    let mut child = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn()?;
    let status = loop {
        if stop.is_requested() {
            let _ = child.kill();
            let _ = child.wait();
        }
        stop.check()?;
        match child.try_wait()? {
            Some(status) => break status,
            None => {
                watch(child.id());
                sleep(LOOK);
            }
        }
    };
    let said = std::fs::read_to_string(&said)?;
    ensure!(status.success(), "{} ended with {status}:\n{said}", command.get_program().display());
    Ok(said)
}

/// An address of the loopback interface that nothing listens on now.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// The body of a 200 answer, or nothing.
pub fn get(at: SocketAddr, path: &str) -> Option<String> {
    const PATIENCE: Duration = Duration::from_secs(2);
    let mut stream = TcpStream::connect_timeout(&at, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    (head.split(' ').nth(1) == Some("200")).then(|| body.to_owned())
}

/// Where a program is, if it is installed. Servers live where an ordinary user's `PATH` does not always lead.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_started_ends_with_its_guard_and_so_do_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let running = Running::start("nest", Command::new("sh").args(["-c", "sleep 600 & wait"]), dir.path()).unwrap();
        let end = Instant::now() + START;
        while usage::tree(running.pid()).len() < 2 {
            assert!(Instant::now() < end, "the child does not start");
            std::thread::yield_now();
        }
        let all = usage::tree(running.pid());
        drop(running);
        while all.iter().any(|p| usage::is_running(*p)) {
            assert!(Instant::now() < end, "{all:?} still run");
            std::thread::yield_now();
        }
    }

    #[test]
    fn one_that_ends_at_once_is_reported_with_what_it_said() {
        let dir = tempfile::tempdir().unwrap();
        let mut running =
            Running::start("bad", Command::new("sh").args(["-c", "echo no such port; exit 3"]), dir.path()).unwrap();
        let error = running.answers(free_address().unwrap()).unwrap_err().to_string();
        assert!(error.contains("bad ended with") && error.contains("no such port"), "{error}");
    }
}
