//! A program run as its users run it: arguments, environment, signals, output, exit status.

use std::io::Read;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::wait::{eventually, eventually_some};

/// A running program. Killed, where it still runs, when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: Output,
    stderr: Output,
}

/// What a program said and how it ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The exit status; nothing where a signal ended it.
    pub status: Option<i32>,
    /// Everything on standard output.
    pub stdout: String,
    /// Everything on standard error.
    pub stderr: String,
}

impl Process {
    /// Starts `program` with these arguments and, besides `PATH`, nothing but this environment.
    #[track_caller]
    pub fn start<A: AsRef<str>>(program: &str, arguments: &[A], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments.iter().map(AsRef::as_ref)).stdin(Stdio::null()).stdout(Stdio::piped());
        Self::spawn(command, environment)
    }

    /// Starts `program` as systemd starts what its sockets activate: with one or two listeners, by name. The second takes
    /// the place of standard output.
    #[track_caller]
    pub fn activated(
        program: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
        sockets: &[(&str, &TcpListener)],
    ) -> Self {
        // A shell puts them where they belong (3 and 4) and becomes the program, so that $$ is the program's number.
        let places = ["exec 3<&0 </dev/null", "exec 3<&0 4<&1 </dev/null >&2"][sockets.len() - 1];
        let script = format!("{places}; export LISTEN_PID=$$; exec \"$@\"");
        let names: Vec<&str> = sockets.iter().map(|(name, _)| *name).collect();
        let (count, names) = (sockets.len().to_string(), names.join(":"));
        let own = [("LISTEN_FDS", count.as_str()), ("LISTEN_FDNAMES", names.as_str())];
        let inherited = |n: usize| Stdio::from(OwnedFd::from(sockets[n].1.try_clone().unwrap()));
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh", program]).args(arguments).stdin(inherited(0));
        command.stdout(if sockets.len() > 1 { inherited(1) } else { Stdio::piped() });
        Self::spawn(command, &[environment, &own].concat())
    }

    #[track_caller]
    fn spawn(mut command: Command, environment: &[(&str, &str)]) -> Self {
        command.env_clear().envs(environment.iter().copied()).stderr(Stdio::piped());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        let mut child = command.spawn().unwrap_or_else(|e| panic!("starting {command:?}: {e}"));
        let stdout = child.stdout.take().map_or_else(|| Output::of(std::io::empty()), Output::of);
        let stderr = Output::of(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// What is on standard output so far.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What is on standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits for a line on standard error that contains `what`, and gives it.
    #[track_caller]
    pub fn stderr_line(&mut self, what: &str) -> String {
        eventually_some(&format!("'{what}' on standard error"), || {
            let text = self.stderr.text();
            let found = text.lines().find(|l| l.contains(what)).map(ToOwned::to_owned);
            if found.is_none() && self.child.try_wait().unwrap().is_some() {
                panic!("ended without '{what}' on standard error:\n{}", self.stderr.text());
            }
            found
        })
    }

    /// Its number for the operating system.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name: `TERM`, `INT`, `HUP`, `KILL`.
    pub fn signal(&self, name: &str) {
        // The shell's own kill is there where the command of that name is not.
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success(), "{kill}: {status}");
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it ends.
    #[track_caller]
    pub fn finish(mut self) -> Finished {
        let said = |process: &Self| format!("{}{}", process.stdout.text(), process.stderr.text());
        let status = eventually_some("the program's end", || self.child.try_wait().unwrap());
        eventually(&format!("the end of output after {}", said(&self)), || {
            self.stdout.is_complete() && self.stderr.is_complete()
        });
        Finished { status: status.code(), stdout: self.stdout.text(), stderr: self.stderr.text() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Finished {
    /// Fails, showing everything it said, unless it ended with `status`.
    #[track_caller]
    pub fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// What a process holds in memory, in bytes.
pub fn resident(pid: u32) -> usize {
    memory(pid, "VmRSS:").unwrap()
}

/// The most that a process has ever held in memory, in bytes; nothing once it has ended.
pub fn peak(pid: u32) -> Option<usize> {
    memory(pid, "VmHWM:")
}

fn memory(pid: u32, what: &str) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|l| l.starts_with(what))?;
    line.split_whitespace().nth(1)?.parse::<usize>().ok().map(|kib| kib << 10)
}

#[derive(Debug)]
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Output {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 16 << 10];
            while let Ok(n @ 1..) = pipe.read(&mut buffer) {
                into.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..n]);
            }
        });
        Self { bytes, reader }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    fn is_complete(&self) -> bool {
        self.reader.is_finished()
    }
}
