//! What people get wrong: found out before anything is sent where it can be, counted and said at the end where it cannot.

use std::time::Duration;

use umbra_common::time::Timestamp;
use umbra_tests::exchanges::{get, post};
use umbra_tests::origin::{Answer, Origin};
use umbra_tests::process::{Finished, Process};
use umbra_tests::stores::TestStore;

use crate::programs::{assert_refused, replayer};

/// A store with a request, and staging.
fn recorded() -> (TestStore, Origin) {
    let store = TestStore::sqlite();
    store.write(&[post(Timestamp::now().before(Duration::from_secs(60)), "/orders", b"not=json&n=1")]);
    (store, Origin::start())
}

fn replay(store: &TestStore, staging: &Origin, more: &[&str]) -> Process {
    let target = format!("staging={}", staging.url());
    let flags = ["replay", "--store", store.url(), "--from", "-1h", "--target", &target, "--rate", "max"];
    replayer(&[&flags[..], more].concat())
}

fn profile(store: &TestStore, text: &str) -> String {
    let path = store.directory().join("staging.toml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn a_wrong_expression_is_pointed_at_by_every_command() {
    let (store, staging) = recorded();
    let target = format!("staging={}", staging.url());
    for command in [
        &["replay", "--from", "-1h", "--target", &target][..],
        &["follow", "--target", &target],
        &["plan", "--from", "-1h"],
        &["traffic", "list"],
        &["traffic", "top"],
        &["traffic", "tail"],
    ] {
        for (wrong, parts) in [
            ("status == 200 && metod == 'GET'", &["column 18", "'metod'", "did you mean 'method'?"][..]),
            ("method = 'GET'", &["column 8"]),
            ("path", &["yields a text"]),
        ] {
            let refused = replayer(&[command, &["--store", store.url(), "--where", wrong]].concat());
            assert_refused(refused, 2, &[&["--where"][..], parts].concat());
        }
    }
    assert_eq!(staging.begun(), 0);
}

#[test]
fn a_profile_with_an_unknown_key_is_answered_with_the_nearest() {
    let (store, staging) = recorded();
    for (wrong, parts) in [
        ("[set-header]\nx = 'y'", ["line 1", "did you mean 'set-headers'?"]),
        ("[[carry]]\nfrm = 'cookie:sid'", ["line 2", "did you mean 'from'?"]),
        ("where = ['metod == \"GET\"']", ["column 1", "did you mean 'method'?"]),
    ] {
        let file = profile(&store, wrong);
        let refused = replay(&store, &staging, &["--profile", &file]).finish().expect(2);
        for part in [&file, parts[0], parts[1]] {
            assert!(refused.stderr.contains(part), "'{part}' is missing in {}", refused.stderr);
        }
    }
    assert_refused(replay(&store, &staging, &["--profile", "/no/such.toml"]), 2, &["/no/such.toml"]);
    assert_eq!(staging.begun(), 0);
}

#[test]
fn a_pointer_into_what_is_no_json_changes_nothing_and_is_counted() {
    let (store, staging) = recorded();
    let file = store.directory().join("report.json").display().to_string();
    let ended = replay(&store, &staging, &["--set-json", "/n=2", "--report", &file]).finish().expect(0);
    assert_eq!(&staging.only().body.bytes[..], b"not=json&n=1");
    assert!(ended.stdout.contains("set-json /n: 0 changed, 1 left as they were: no JSON"), "{}", ended.stdout);
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(report["targets"][0]["changes"][0]["not_json"], 1);
    replay(&store, &staging, &["--set-json", "/n=2", "--fail-if", "not_json>0"]).finish().expect(99);
    assert_refused(replay(&store, &staging, &["--set-json", "n=2"]), 2, &["--set-json", "is no JSON pointer"]);
}

#[test]
fn a_carry_rule_that_does_nothing_is_warned_of_at_the_end() {
    let (store, staging) = (TestStore::sqlite(), Origin::with(|_| Answer::status(200, &[("x-token", "t1")], "")));
    let at = |second: u64| Timestamp::now().before(Duration::from_secs(60 - second));
    let exchanges = [get(at(1), "/a"), get(at(2), "/b")].map(|mut exchange| {
        exchange.session = bytes::Bytes::from_static(b"one");
        exchange
    });
    store.write(&exchanges);
    let warned = |rule: &str| -> Finished {
        let file = profile(&store, &format!("[[carry]]\nname = 'mine'\n{rule}"));
        replay(&store, &staging, &["--profile", &file]).finish().expect(0)
    };
    for (rule, warning) in [
        ("from = 'header:x-no'", "the carry rule found no value in any answer"),
        (
            "from = 'header:x-token'\nto = ['header:x-no']",
            "the carry rule found values, and no request to put them into",
        ),
        ("from = 'header:x-token'", "the record does not show what these values take the place of"),
    ] {
        let said = warned(rule).stderr;
        let line = said.lines().find(|line| line.contains(warning)).unwrap_or_else(|| panic!("{rule}: {said}"));
        assert!(line.contains("WARN") && line.contains("mine") && line.contains("staging"), "{line}");
    }
    assert_refused(
        replay(&store, &staging, &["--profile", &profile(&store, "[[carry]]\nfrom = 'x-token'")]),
        2,
        &["[[carry]]", "'x-token' is no place in a response"],
    );
}

#[test]
fn an_id_that_does_not_exist_is_one_that_is_named() {
    let (store, _) = recorded();
    let unknown = get(Timestamp::now(), "/").id.to_string();
    for id in [&unknown[..], &unknown[..12]] {
        assert_refused(replayer(&["traffic", "show", id, "--store", store.url()]), 1, &[id, "no exchange"]);
    }
    let short = replayer(&["traffic", "show", "01a", "--store", store.url()]);
    assert_refused(short, 2, &["'01a'", "is no exchange id"]);
}

#[test]
fn a_report_that_cannot_be_written_is_found_out_before_the_first_request() {
    let (store, staging) = recorded();
    let directory = store.directory().display().to_string();
    for path in ["/no/such/directory/report.html", &directory, "/proc/none"] {
        assert_refused(replay(&store, &staging, &["--report", path]), 2, &["cannot write the report", path]);
        let target = format!("staging={}", staging.url());
        let follow = ["follow", "--store", store.url(), "--target", &target, "--from", "earliest", "--report", path];
        assert_refused(replayer(&follow), 2, &["cannot write the report", path]);
    }
    assert_eq!(staging.begun(), 0);
}

#[test]
fn a_run_that_does_not_begin_leaves_the_last_report_as_it_was() {
    let (store, staging) = recorded();
    let file = store.directory().join("report.json");
    std::fs::write(&file, "of the run before, longer than nothing").unwrap();
    let path = file.display().to_string();
    let lost = ["--store", "sqlite:/no/such.db", "--from", "-1h", "--report", &path];
    let target = format!("staging={}", staging.url());
    assert_refused(replayer(&[&["replay", "--target", &target], &lost[..]].concat()), 2, &["/no/such.db"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "of the run before, longer than nothing");
    replay(&store, &staging, &["--report", &path]).finish().expect(0);
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(report["targets"][0]["ledger"]["answered"], 1, "nothing of the old one is left behind the new one");
}

#[test]
fn a_gate_on_what_is_no_figure_is_answered_with_the_nearest() {
    let (store, staging) = recorded();
    for (wrong, parts) in [
        ("eror_rate>1%", ["'eror_rate'", "did you mean 'error_rate'?"]),
        ("failed{time_out}>0", ["'failed{time_out}'", "did you mean 'failed{timeout}'?"]),
        ("lag_p99>50", ["'50'", "a duration, as in 50ms"]),
    ] {
        assert_refused(replay(&store, &staging, &["--fail-if", wrong]), 2, &[&["--fail-if"][..], &parts].concat());
    }
    assert_eq!(staging.begun(), 0);
    let undecided = replay(&store, &staging, &["--fail-if", "lag_p99>1ms"]).finish().expect(0);
    assert!(undecided.stderr.contains("the gate was not decided"), "{}", undecided.stderr);
    let help = replayer(&["replay", "--help"]).finish().expect(0).stdout;
    for figure in ["error_rate", "rate_kept", "recorded_latency_p99", "status{200:503}"] {
        assert!(help.contains(figure), "{figure}");
    }
}
