//! The units for plain hosts: systemd takes them, the programs take what stands in them, and they allow what the programs do.

use std::collections::BTreeSet;
use std::process::Command;

use tempfile::TempDir;
use umbra_tests::deployed;
use umbra_tests::installed::{installed, output_of};
use umbra_tests::process::Process;
use umbra_tests::receiver::Receiver;
use umbra_tests::stores::TestStore;
use umbra_tests::wire;

use super::taking::{recorder_takes, replayer_takes};
use crate::programs::{RECORDER, REPLAYER};
use crate::running::Running;

const UNITS: [&str; 4] =
    ["umbra-recorder.service", "umbra-recorder.socket", "umbra-recorder-admin.socket", "umbra-replayer@.service"];

/// The values that a unit gives a key.
fn values(unit: &str, key: &str) -> Vec<String> {
    let text = deployed::text(&format!("systemd/{unit}"));
    let values = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    values.map(str::to_owned).collect()
}

fn value(unit: &str, key: &str) -> String {
    let all = values(unit, key);
    assert_eq!(all.len(), 1, "{unit}: {key}={all:?}");
    all[0].clone()
}

fn analyze() -> Command {
    Command::new(installed("systemd-analyze", "apt-get install systemd"))
}

/// The units with the programs under test in the place of the installed ones, and `change` made to each text.
fn folder(change: impl Fn(&str, String) -> String) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for unit in UNITS {
        let text = deployed::text(&format!("systemd/{unit}"));
        let text = text.replace("/usr/bin/umbra-recorder", RECORDER).replace("/usr/bin/umbra-replayer", REPLAYER);
        std::fs::write(folder.path().join(unit), change(unit, text)).unwrap();
    }
    for service in ["umbra-recorder.service", "umbra-replayer@.service"] {
        let drop_in = folder.path().join(format!("{service}.d"));
        std::fs::create_dir(&drop_in).unwrap();
        std::fs::copy(deployed::path("systemd/kafka-password.conf"), drop_in.join("kafka-password.conf")).unwrap();
    }
    folder
}

/// What systemd has against the units.
fn complaints(folder: &TempDir) -> String {
    let output = analyze().arg("verify").args(UNITS.map(|unit| folder.path().join(unit))).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() || !said.is_empty(), "{}", output.status);
    said
}

#[test]
fn systemd_takes_the_units() {
    assert_eq!(complaints(&folder(|_, text| text)), "");
}

#[test]
fn systemd_would_say_what_is_wrong() {
    let wrong = folder(|_, text| text.replace("WatchdogSec=10s", "WatchdogSek=10s"));
    assert!(complaints(&wrong).contains("WatchdogSek"));
    let gone = folder(|_, text| text.replace(REPLAYER, "/nowhere/umbra-replayer"));
    assert!(complaints(&gone).contains("/nowhere/umbra-replayer"));
}

#[test]
fn the_services_are_hardened() {
    let folder = folder(|_, text| text);
    for service in ["umbra-recorder.service", "umbra-replayer@.service"] {
        let mut security = analyze();
        // Of 0 to 10, in tenths; the network is what is left.
        security.args(["security", "--offline=true", "--threshold=15", "--no-pager"]).arg(folder.path().join(service));
        output_of(&mut security, "the service is less confined than it was");
    }
}

#[test]
fn the_programs_take_their_configurations() {
    let here = |command: String| -> Vec<String> {
        let folder = deployed::path("systemd").display().to_string();
        let command = command.replace("/etc/umbra", &folder).replace("%i", "staging");
        command.split(' ').skip(1).map(str::to_owned).collect()
    };
    let said = recorder_takes(&here(value("umbra-recorder.service", "ExecStart")));
    let setting = |key: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(&format!("{key} = \"")));
        line.unwrap_or_else(|| panic!("no {key} in {said}")).trim_end_matches('"').to_owned()
    };
    assert_eq!(value("umbra-recorder.socket", "ListenStream"), setting("listen"));
    assert_eq!(value("umbra-recorder-admin.socket", "ListenStream"), setting("admin"));
    let state = value("umbra-recorder.service", "StateDirectory");
    assert!(setting("spool").starts_with(&format!("/var/lib/{state}/")), "{said}");
    replayer_takes(&here(value("umbra-replayer@.service", "ExecStart")));
}

#[test]
fn systemd_waits_longer_than_a_drain_takes() {
    let seconds = |text: String| -> u64 { text.trim_matches(['"', 's']).parse().unwrap() };
    let setting = |file: &str, key: &str| {
        let text = deployed::text(&format!("systemd/{file}"));
        seconds(text.lines().find_map(|l| l.strip_prefix(&format!("{key} = "))).unwrap().to_owned())
    };
    let stop = |unit: &str| seconds(value(unit, "TimeoutStopSec"));
    assert!(stop("umbra-recorder.service") > setting("recorder.toml", "drain-timeout") + 5);
    assert!(stop("umbra-replayer@.service") > setting("replayer/staging.toml", "timeout") + 5);
}

#[test]
fn a_service_is_started_again_however_often_it_ends() {
    for service in ["umbra-recorder.service", "umbra-replayer@.service"] {
        // systemd gives up after five starts within 10 s by itself, and takes the sockets along.
        assert_eq!(value(service, "StartLimitIntervalSec"), "0");
        assert_eq!(value(service, "RestartPreventExitStatus"), "2");
    }
}

#[test]
fn the_sockets_have_the_names_that_the_recorder_looks_for() {
    // `service_manager` starts a recorder by sockets of these names.
    assert_eq!(value("umbra-recorder-admin.socket", "FileDescriptorName"), "admin");
    assert!(values("umbra-recorder.socket", "FileDescriptorName").is_empty());
    assert_eq!(value("umbra-recorder-admin.socket", "Service"), "umbra-recorder.service");
    assert_eq!(value("umbra-recorder.service", "Type"), "notify");
}

/// The system calls that a unit allows.
fn allowed(unit: &str) -> BTreeSet<String> {
    let mut allowed = BTreeSet::new();
    for filter in values(unit, "SystemCallFilter") {
        let (names, removes) = filter.strip_prefix('~').map_or((filter.as_str(), false), |names| (names, true));
        let calls: BTreeSet<String> = names.split(' ').flat_map(calls_of).collect();
        allowed = if removes { &allowed - &calls } else { &allowed | &calls };
    }
    &allowed | &calls_of("@default").into_iter().collect()
}

/// The calls of a set, as systemd has it.
fn calls_of(name: &str) -> Vec<String> {
    if !name.starts_with('@') {
        return vec![name.to_owned()];
    }
    let listed = output_of(analyze().args(["syscall-filter", "--no-pager", name]), "systemd knows the set");
    let lines =
        listed.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#') && *line != name);
    lines.flat_map(calls_of).collect()
}

/// The calls in what strace has written.
fn called(trace: &str) -> BTreeSet<String> {
    let name = |line: &str| {
        let call = line.split_once(' ')?.1.trim_start();
        let (name, _) = call.split_once('(')?;
        name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_').then(|| name.to_owned())
    };
    trace.lines().filter_map(name).collect()
}

fn traced(trace: &std::path::Path, program: &str, arguments: &[&str]) -> Process {
    let strace = installed("strace", "apt-get install strace");
    let own = ["-f", "-qq", "-o", trace.to_str().unwrap(), program];
    Process::start(strace.to_str().unwrap(), &[&own, arguments].concat(), &[])
}

/// Ends what strace runs, as systemd would.
fn terminate_child(strace: &Process) {
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", strace.pid())).unwrap();
    let script = format!("kill -TERM {}", children.split_whitespace().next().unwrap());
    assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
}

#[test]
fn the_units_allow_every_system_call_that_the_programs_make() {
    let (origin, staging, store) = (Receiver::start(), Receiver::start(), TestStore::kafka());
    let (upstream, target) = (origin.url(), format!("staging={}", staging.url()));
    let traces = tempfile::tempdir().unwrap();
    let [of_recorder, of_replayer] = ["recorder", "replayer"].map(|name| traces.path().join(name));

    let flags = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", &upstream, "--store", store.url()];
    let spool = traces.path().join("spool");
    let spooled = [&flags[..], &["--spool", spool.to_str().unwrap()]].concat();
    let mut recorder = Running::of(traced(&of_recorder, RECORDER, &spooled));
    assert_eq!(wire::exchange(recorder.addr(), "GET /traced HTTP/1.1\r\nhost: a\r\n\r\n").status(), 200);
    terminate_child(recorder.program());
    recorder.finish().expect(0);

    let follow =
        ["follow", "--store", store.url(), "--target", &target, "--from", "earliest", "--admin", "127.0.0.1:0"];
    let replayer = traced(&of_replayer, REPLAYER, &follow);
    staging.wait_for(1);
    terminate_child(&replayer);
    replayer.finish().expect(130);

    for (unit, trace) in [("umbra-recorder.service", of_recorder), ("umbra-replayer@.service", of_replayer)] {
        let called = called(&std::fs::read_to_string(trace).unwrap());
        assert!(called.contains("epoll_wait") && called.len() > 30, "{called:?}");
        let allowed = allowed(unit);
        assert!(allowed.len() > 200 && !allowed.contains("mount") && !allowed.contains("setrlimit"), "{allowed:?}");
        let refused = &called - &allowed;
        assert!(refused.is_empty(), "{unit} allows no {refused:?}");
    }
}
