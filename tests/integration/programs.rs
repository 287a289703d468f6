//! The two programs as processes.

use std::net::TcpListener;

use umbra_tests::origin::Origin;
use umbra_tests::process::{Finished, Process};
use umbra_tests::stores::TestStore;

pub(crate) const RECORDER: &str = env!("CARGO_BIN_EXE_umbra-recorder-under-test");
pub(crate) const REPLAYER: &str = env!("CARGO_BIN_EXE_umbra-replayer-under-test");

/// A recorder with these arguments.
pub(crate) fn recorder(arguments: &[&str]) -> Process {
    Process::start(RECORDER, arguments, &[])
}

/// A recorder with these arguments and this environment.
pub(crate) fn recorder_in(environment: &[(&str, &str)], arguments: &[&str]) -> Process {
    Process::start(RECORDER, arguments, environment)
}

/// A recorder that systemd's sockets, by name, have started.
pub(crate) fn recorder_activated(
    environment: &[(&str, &str)],
    arguments: &[&str],
    sockets: &[(&str, &TcpListener)],
) -> Process {
    Process::activated(RECORDER, arguments, environment, sockets)
}

/// A recorder that may open so many files.
pub(crate) fn recorder_with_files(files: u32, arguments: &[&str]) -> Process {
    with_files(files, RECORDER, arguments)
}

/// A replayer that may have so many files open.
pub(crate) fn replayer_with_files(files: u32, arguments: &[&str]) -> Process {
    with_files(files, REPLAYER, arguments)
}

fn with_files(files: u32, program: &str, arguments: &[&str]) -> Process {
    let limited = format!("ulimit -n {files} && exec \"$0\" \"$@\"");
    Process::start("sh", &[&["-c", &limited, program], arguments].concat(), &[])
}

/// A replayer with these arguments.
pub(crate) fn replayer(arguments: &[&str]) -> Process {
    replayer_in(&[], arguments)
}

/// The replayer with this environment.
#[track_caller]
pub(crate) fn replayer_in(environment: &[(&str, &str)], arguments: &[&str]) -> Process {
    Process::start(REPLAYER, arguments, environment)
}

/// A replayer on a pseudo-terminal of its own, so many columns wide; what is seen there is its standard output.
pub(crate) fn replayer_on_a_terminal(columns: usize, arguments: &[&str]) -> Process {
    let found = std::process::Command::new("script").arg("--version").output();
    assert!(found.is_ok(), "script cannot be run: install bsdutils");
    let quoted: Vec<_> = arguments.iter().map(|argument| format!("'{argument}'")).collect();
    let command = format!("stty cols {columns} rows 40 && exec {REPLAYER} {}", quoted.join(" "));
    Process::start("script", &["-qec", &command, "/dev/null"], &[("TERM", "xterm")])
}

/// `umbra-replayer replay` of all that a store holds to `target`, at full speed, with further arguments.
pub(crate) fn replay_all(store: &TestStore, target: &Origin, more: &[&str]) -> Finished {
    let target = format!("staging={}", target.url());
    let all = ["replay", "--store", store.url(), "--target", &target, "--from", "-1day", "--to", "+1h"];
    let arguments = [&all, more].concat();
    replayer(&arguments).finish()
}

/// Fails unless a program refused its command line or its world with `status` and a short message that has all of
/// `parts` in it.
#[track_caller]
pub(crate) fn assert_refused(process: Process, status: i32, parts: &[&str]) {
    let finished = process.finish().expect(status);
    let message = finished.stderr.trim();
    for part in parts {
        assert!(message.contains(part), "'{part}' is missing in: {message}");
    }
    let lines = message.lines().filter(|l| !l.trim().is_empty()).count();
    assert!(lines <= 2 || message.contains("For more information, try '--help'"), "{lines} lines: {message}");
    assert!(!message.contains("panicked"), "{message}");
    assert!(!finished.stdout.contains("error:"), "an error is nothing for standard output: {}", finished.stdout);
}
