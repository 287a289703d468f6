//! Flag over environment over file over default, in both programs, and `--check`.

use umbra_tests::origin::Origin;
use umbra_tests::stores::TestStore;
use umbra_tests::wire::exchange;

use crate::programs::{assert_refused, recorder, recorder_in, replayer};
use crate::running::Running;

fn file(store: &TestStore, text: &str) -> String {
    let path = store.directory().join("umbra.toml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// What `--check` prints for these flags and this environment.
fn check(environment: &[(&str, &str)], flags: &[&str]) -> String {
    recorder_in(environment, &[flags, &["--check"]].concat()).finish().expect(0).stdout
}

#[test]
fn a_flag_goes_over_the_environment_and_that_over_the_file() {
    let store = TestStore::sqlite();
    let text = format!("store = '{}'\nupstream = 'http://127.0.0.1:1'\nsample = '1%'\nworkers = 3", store.url());
    let config = file(&store, &text);
    let flags = ["--config", config.as_str()];
    let has = |said: &str, line: &str| assert!(said.lines().any(|l| l == line), "'{line}' is missing in:\n{said}");
    has(&check(&[], &flags), "sample = \"1%\"");
    has(&check(&[("UMBRA_SAMPLE", "2%")], &flags), "sample = \"2%\"");
    let said = check(&[("UMBRA_SAMPLE", "2%")], &[&flags[..], &["--sample", "3%"]].concat());
    has(&said, "sample = \"3%\"");
    has(&said, "workers = 3");
    has(&said, "responses = \"head\"");
    has(&check(&[("UMBRA_CONFIG", &config)], &[]), "sample = \"1%\"");
}

#[test]
fn check_refuses_what_a_start_would_refuse_and_listens_to_nothing() {
    let store = TestStore::sqlite();
    let flags = ["--store", store.url(), "--upstream", "http://127.0.0.1:1", "--check"];
    recorder(&flags).finish().expect(0);
    assert_refused(recorder(&[&flags[..], &["--sample", "101%"]].concat()), 2, &["101%"]);
    assert_refused(recorder(&["--store", store.url(), "--upstream", "ftp://x", "--check"]), 2, &["ftp://x"]);
    assert!(!store.directory().join("traffic.db").exists(), "--check made a store");
}

#[test]
fn a_wrong_file_is_named_with_what_is_wrong() {
    let store = TestStore::sqlite();
    let config = file(&store, "colour = 'red'");
    for process in [recorder(&["--config", &config]), replayer(&["replay", "--config", &config, "--from", "-1h"])] {
        let finished = process.finish().expect(2);
        assert!(finished.stderr.contains("umbra.toml") && finished.stderr.contains("colour"), "{}", finished.stderr);
    }
    assert_refused(recorder(&["--config", "/does/not/exist.toml"]), 2, &["cannot read", "/does/not/exist.toml"]);
}

#[test]
fn a_recorder_runs_on_its_environment_alone() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let environment = [
        ("UMBRA_STORE", store.url()),
        ("UMBRA_UPSTREAM", &origin.url()),
        ("UMBRA_LISTEN", "127.0.0.1:0"),
        ("UMBRA_ADMIN", "127.0.0.1:0"),
        ("UMBRA_INSTANCE", "from-env"),
    ];
    let recorder = Running::start_in(&environment, &[]);
    assert_eq!(exchange(recorder.addr(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n").status(), 200);
    recorder.signal("TERM");
    recorder.finish().expect(0);
    assert_eq!(store.exchanges()[0].recorder.as_ref(), "from-env");
}

#[test]
fn the_start_says_what_is_masked() {
    let store = TestStore::sqlite();
    let flags = ["--store", store.url(), "--upstream", "http://127.0.0.1:1", "--redact-header", "x-session"];
    let mut recorder = Running::start(&flags);
    let line = recorder.program().stderr_line("authorization");
    for name in ["cookie", "set-cookie", "x-api-key", "x-session"] {
        assert!(line.contains(name), "{name} is missing in: {line}");
    }
}

#[test]
fn log_lines_are_json_where_asked() {
    let store = TestStore::sqlite();
    let flags = ["--store", store.url(), "--upstream", "http://127.0.0.1:1", "--log-format", "json"];
    let mut recorder = Running::start(&flags);
    let line = recorder.program().stderr_line("admin");
    let value: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
    assert_eq!(value["level"], "INFO");
}
