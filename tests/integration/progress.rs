//! Progress and the last screen, on a terminal and elsewhere.

use std::process::Command;
use std::time::Duration;

use umbra_common::time::Timestamp;
use umbra_tests::exchanges::get;
use umbra_tests::origin::{Answer, Origin};
use umbra_tests::stores::TestStore;

use crate::programs::{replayer, replayer_on_a_terminal};

const WIDTH: usize = 100;

/// A second of traffic, every tenth of which staging cannot answer.
fn recorded() -> (TestStore, Origin) {
    let store = TestStore::sqlite();
    let first = Timestamp::now().before(Duration::from_secs(60));
    let at = |n: u32| first.after(Duration::from_millis(10) * n);
    let paths = |n: u32| if n.is_multiple_of(10) { "/fails" } else { "/" };
    store.write(&(0..100).map(|n| get(at(n), paths(n))).collect::<Vec<_>>());
    let staging = Origin::with(|head| match head.target() {
        b"/fails" => Answer::status(503, &[], "no"),
        _ => Answer::ok("yes"),
    });
    (store, staging)
}

/// What a terminal has shown, piece by piece between the moves of its cursor.
fn pieces(shown: &str) -> Vec<String> {
    let escape = regex::Regex::new(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]").unwrap();
    escape.split(shown).map(|piece| piece.trim().to_owned()).filter(|piece| !piece.is_empty()).collect()
}

#[test]
fn a_terminal_shows_the_run_as_it_goes_and_one_screen_at_the_end() {
    let (store, staging) = recorded();
    let target = format!("staging={}", staging.url());
    let run = ["replay", "--store", store.url(), "--target", &target, "--from", "-1h", "--speed", "0.5x"];
    let pieces = pieces(&replayer_on_a_terminal(WIDTH, &run).finish().expect(0).stdout);
    let form = regex::Regex::new(
        r"^staging: \d+ %, (at most|about) [0-9ms]+ left \| \d+\.\d/s \| lag \d+\.\d ms \| (\d+) errors? \| \d+ in flight$",
    );
    let form = form.unwrap();
    let lines: Vec<_> = pieces.iter().filter_map(|piece| form.captures(piece)).collect();
    assert!(lines.len() >= 2, "{pieces:#?}");
    let errors: Vec<u32> = lines.iter().map(|line| line[2].parse().unwrap()).collect();
    assert!(errors.is_sorted() && errors.last().is_some_and(|last| (1..=10).contains(last)), "{errors:?}");
    // The last screen follows when progress has been taken away.
    let last_line = pieces.iter().rposition(|piece| form.is_match(piece)).unwrap();
    let screen = &pieces[last_line + 1..];
    assert!(screen.len() <= 40 && screen.iter().all(|line| line.chars().count() <= WIDTH), "{screen:#?}");
    for part in ["latency p50/p99/max ms", "seen 100 = answered 100"] {
        assert!(screen.iter().any(|line| line.contains(part)), "'{part}' is missing in {screen:#?}");
    }
}

#[test]
fn what_the_log_says_meanwhile_stays_on_the_terminal() {
    let (store, staging) = recorded();
    let target = format!("staging={}", staging.url());
    let run = ["replay", "--store", store.url(), "--target", &target, "--from", "-1h", "--speed", "0.01x"];
    let process = replayer_on_a_terminal(WIDTH, &run);
    staging.wait_for(1);
    umbra_tests::wait::eventually("progress", || process.stdout().contains("in flight"));
    // The one that it runs: the terminal's own process only passes bytes on.
    let pid = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", process.pid())).unwrap();
    let told = Command::new("sh").args(["-c", &format!("kill -INT {pid}")]).status().unwrap();
    assert!(told.success());
    let shown = process.finish().expect(130).stdout;
    let pieces = pieces(&shown);
    assert!(pieces.iter().any(|piece| piece.contains("finishing what is in flight")), "{pieces:#?}");
    // Nothing is written behind a line of progress.
    assert!(
        !pieces.iter().any(|piece| piece.contains("in flight") && piece.contains("staging:") && piece.contains("INFO")),
        "{pieces:#?}"
    );
}

#[test]
fn what_is_no_terminal_sees_no_progress() {
    let (store, staging) = recorded();
    let target = format!("staging={}", staging.url());
    let ended = replayer(&["replay", "--store", store.url(), "--target", &target, "--from", "-1h"]).finish().expect(0);
    for text in [&ended.stdout, &ended.stderr] {
        assert!(!text.contains('\x1b') && !text.contains(" in flight") && !text.contains('\r'), "{text}");
    }
}
