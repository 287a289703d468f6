//! Ends what was started when this process ends, be it by SIGKILL.
//!
//! A shell holds the reading end of a pipe and waits for its end, which comes when this process is gone or lets the
//! guard go; then it cleans up. It is in a process group of its own, so that Ctrl-C reaches this process alone.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A shell script that waits on its standard input. Dropped, the script runs to its end.
#[derive(Debug)]
pub(crate) struct Guard(Child);

impl Guard {
    /// Starts `sh -c script sh arguments…`.
    pub(crate) fn start<A: AsRef<OsStr>>(script: &str, arguments: impl IntoIterator<Item = A>) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).args(arguments).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Self(command.spawn().expect("a shell"))
    }

    /// The first line that the script writes.
    pub(crate) fn first_line(&mut self) -> String {
        let mut line = String::new();
        let stdout: ChildStdout = self.0.stdout.take().expect("it is taken once");
        BufReader::new(stdout).read_line(&mut line).expect("the script's output");
        line.trim().to_owned()
    }

    /// Ends it, telling it a word, and waits until it has cleaned up.
    pub(crate) fn tell(mut self, word: &str) {
        if let Some(mut stdin) = self.0.stdin.take() {
            // A script that has ended has nothing left to be told.
            let _ = stdin.write_all(word.as_bytes());
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
