//! Bad input and a bad world: each has an exit status and a message of one or two lines.

use std::time::{Duration, Instant};

use umbra_common::codec;
use umbra_common::exchange::{Ending, ExchangeId};
use umbra_common::time::Timestamp;
use umbra_tests::exchanges::get;
use umbra_tests::origin::Origin;
use umbra_tests::ports::Refusing;
use umbra_tests::stores::{TestStore, write_raw};
use umbra_tests::wire::exchange;

use crate::both_stores::on_both_stores;
use crate::programs::{assert_refused, recorder, replay_all, replayer};
use crate::running::Running;

/// `umbra-replayer replay` with everything that is needed but for what the test adds.
fn replay(more: &[&str]) -> umbra_tests::process::Process {
    replayer(&[&["replay"], more].concat())
}

const TARGET: [&str; 2] = ["--target", "staging=http://127.0.0.1:1"];
const WINDOW: [&str; 2] = ["--from", "-1h"];
const STORE: [&str; 2] = ["--store", "sqlite:unused.db"];

fn replay_with(parts: &[&[&str]]) -> umbra_tests::process::Process {
    replay(&parts.concat())
}

/// Both programs with a store that they cannot use.
#[track_caller]
fn neither_takes_the_store(store: &str, status: i32, parts: &[&str]) {
    let listen = ["--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    assert_refused(recorder(&[&["--store", store], &listen[..]].concat()), status, parts);
    assert_refused(replay_with(&[&["--store", store], &TARGET, &WINDOW]), status, parts);
}

#[test]
fn an_unknown_scheme_is_no_store() {
    neither_takes_the_store("redis://h/t", 2, &["'redis://h/t' is no store", "sqlite:FILE or kafka://"]);
}

#[test]
fn a_sqlite_path_that_cannot_be_written_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let under_a_file = file.join("traffic.db");
    let no_directory = directory.path().join("missing").join("traffic.db");
    for path in [&under_a_file, &no_directory] {
        let path = path.display().to_string();
        neither_takes_the_store(&format!("sqlite:{path}"), 2, &["cannot open the store", &path]);
    }
}

#[test]
fn a_file_that_is_something_else_is_no_store_and_stays_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("notes.txt");
    std::fs::write(&text, "shopping: milk, eggs and a good book\n".repeat(100)).unwrap();
    let other = directory.path().join("other.db");
    let connection = rusqlite::Connection::open(&other).unwrap();
    connection.execute_batch("create table customers (name text); insert into customers values ('Ann')").unwrap();
    drop(connection);
    for path in [&text, &other] {
        let before = std::fs::read(path).unwrap();
        let shown = path.display().to_string();
        neither_takes_the_store(&format!("sqlite:{shown}"), 2, &[&shown, "is not an umbra store"]);
        assert_eq!(std::fs::read(path).unwrap(), before, "{shown} was changed");
    }
}

#[test]
fn a_sqlite_store_that_does_not_exist_has_nothing_to_replay() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("none.db");
    let url = format!("sqlite:{}", path.display());
    assert_refused(replay_with(&[&["--store", &url], &TARGET, &WINDOW]), 2, &["cannot open the store", "none.db"]);
    assert!(!path.exists(), "reading made a store");
}

#[test]
fn a_kafka_that_is_not_there_ends_a_replay_in_time() {
    let nobody = Refusing::new();
    let url = format!("kafka://{}/traffic", nobody.addr());
    let begin = Instant::now();
    let process = replay_with(&[&["--store", &url], &TARGET, &WINDOW]);
    let finished = process.finish().expect(1);
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    let brokers = nobody.addr().to_string();
    assert!(finished.stderr.contains("no kafka broker answers at"), "{}", finished.stderr);
    assert!(finished.stderr.contains(&brokers), "{}", finished.stderr);
}

#[test]
fn a_recorder_serves_and_says_so_when_kafka_is_not_there() {
    let (origin, nobody) = (Origin::start(), Refusing::new());
    let url = format!("kafka://{}/traffic", nobody.addr());
    let flags = ["--store", &url, "--upstream", &origin.url(), "--drain-timeout", "1s"];
    let mut process = Running::start(&flags);
    for _ in 0..20 {
        assert_eq!(exchange(process.addr(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n").status(), 200);
    }
    assert_eq!(process.admin("/readyz").status(), 200);
    process.program().stderr_line("the store does not take records");
    umbra_tests::wait::eventually("the store's state in /status", || process.status()["store"]["state"] == "down");
    process.signal("TERM");
    let finished = process.finish();
    assert!(finished.stderr.contains("seen 20"), "{}", finished.stderr);
    assert!(finished.stderr.contains("dropped{"), "{}", finished.stderr);
}

#[test]
fn a_time_without_a_zone_is_refused() {
    let time = "2026-11-17T09:00:00";
    assert_refused(replay_with(&[&STORE, &TARGET, &["--from", time]]), 2, &[time, "zone"]);
}

#[test]
fn a_window_that_ends_before_it_begins_is_refused() {
    let window = ["--from", "2026-11-17T10:00:00Z", "--to", "2026-11-17T09:00:00Z"];
    let parts = ["2026-11-17T10:00:00Z", "not before", "2026-11-17T09:00:00Z"];
    assert_refused(replay_with(&[&STORE, &TARGET, &window]), 2, &parts);
}

#[test]
fn a_target_that_is_no_url_is_refused() {
    for (target, why) in [
        ("staging=127.0.0.1:80", "http://HOST"),
        ("staging=ftp://h", "http://HOST"),
        ("http://127.0.0.1:80", "NAME=URL"),
        ("staging=http://h/path", "path"),
    ] {
        assert_refused(replay_with(&[&STORE, &WINDOW, &["--target", target]]), 2, &[why]);
    }
}

#[test]
fn two_targets_of_one_name_are_refused() {
    let targets = ["--target", "a=http://127.0.0.1:1", "--target", "a=http://127.0.0.1:2"];
    assert_refused(replay_with(&[&STORE, &WINDOW, &targets]), 2, &["two targets", "'a'"]);
}

#[test]
fn a_rate_of_zero_is_refused() {
    assert_refused(replay_with(&[&STORE, &TARGET, &WINDOW, &["--rate", "0/s"]]), 2, &["0/s", "above zero"]);
}

#[test]
fn speed_and_rate_together_are_refused() {
    let pace = ["--speed", "2x", "--rate", "10/s"];
    assert_refused(replay_with(&[&STORE, &TARGET, &WINDOW, &pace]), 2, &["--speed", "--rate"]);
}

#[test]
fn what_is_needed_is_named() {
    assert_refused(replay_with(&[&TARGET, &WINDOW]), 2, &["--store", "sqlite:FILE"]);
    assert_refused(replay_with(&[&STORE, &WINDOW]), 2, &["--target"]);
    assert_refused(replay_with(&[&STORE, &TARGET]), 2, &["--from"]);
    assert_refused(recorder(&["--store", "sqlite:x.db"]), 2, &["--upstream", "--sink"]);
    assert_refused(recorder(&["--upstream", "http://127.0.0.1:1"]), 2, &["--store", "sqlite:FILE"]);
}

#[test]
fn a_wrong_condition_is_refused_with_its_column() {
    let misspelt = ["--where", "status == 200 && metod == 'GET'"];
    assert_refused(
        replay_with(&[&STORE, &TARGET, &WINDOW, &misspelt]),
        2,
        &["--where", "column 18", "'metod'", "'method'"],
    );
}

#[test]
fn an_address_in_use_is_refused() {
    let taken = Origin::start();
    let (directory, addr) = (tempfile::tempdir().unwrap(), taken.addr().to_string());
    let store = format!("sqlite:{}", directory.path().join("t.db").display());
    let flags = ["--store", &store, "--upstream", "http://127.0.0.1:1", "--listen", &addr, "--admin", "127.0.0.1:0"];
    assert_refused(recorder(&flags), 2, &["cannot listen on", &addr, "--listen"]);
}

on_both_stores! {
    fn an_empty_window_ends_with_status_3(store: &TestStore) {
        store.write(&[get(Timestamp::now().before(Duration::from_secs(3600)), "/")]);
        let staging = Origin::start();
        let target = format!("staging={}", staging.url());
        let process = replayer(&["replay", "--store", store.url(), "--target", &target, "--from", "-1m", "--to", "now"]);
        let finished = process.finish().expect(3);
        assert!(finished.stderr.contains("window"), "{}", finished.stderr);
        assert_eq!(staging.begun(), 0);
    }

    fn records_that_do_not_decode_are_counted_and_skipped(store: &TestStore) {
        let at = Timestamp::now().before(Duration::from_secs(5));
        let good = get(at, "/good");
        let mut newer = codec::encode(&good);
        newer[3] = 200;
        let mut cut = codec::encode(&good);
        cut.truncate(cut.len() / 2);
        let id = |n| ExchangeId::new(at, n);
        write_raw(&store.config(), vec![
            (id(1), at, b"garbage".to_vec()), (id(2), at, newer), (id(3), at, Vec::new()), (id(4), at, cut),
            (good.id, at, codec::encode(&good)),
        ]);
        let staging = Origin::start();
        let finished = replay_all(store, &staging, &["--rate", "max", "--report", "/dev/stdout"]);
        assert_eq!(staging.wait_for(1).len(), 1);
        assert!(finished.stdout.contains("\"undecodable\": 4") || finished.stdout.contains("\"undecodable\":4"),
            "{finished:?}");
        assert_eq!(finished.status, Some(0), "{finished:?}");
    }

    fn a_store_of_nothing_but_garbage_fails_a_replay(store: &TestStore) {
        let at = Timestamp::now().before(Duration::from_secs(5));
        write_raw(&store.config(), vec![(ExchangeId::new(at, 1), at, b"garbage".to_vec())]);
        let staging = Origin::start();
        let finished = replay_all(store, &staging, &["--rate", "max"]).expect(1);
        assert!(finished.stderr.contains("no record of the window can be read"), "{}", finished.stderr);
        assert_eq!(staging.begun(), 0);
    }

    fn an_upstream_that_refuses_is_502_and_recorded(store: &TestStore) {
        let nobody = Refusing::new();
        let process =
            Running::start(&["--store", store.url(), "--upstream", &format!("http://{}", nobody.addr())]);
        let response = exchange(process.addr(), "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi");
        assert_eq!(response.status(), 502);
        process.signal("TERM");
        process.finish().expect(0);
        let exchanges = store.exchanges();
        assert_eq!(exchanges.len(), 1);
        assert_eq!(exchanges[0].ending, Ending::UpstreamError);
        assert_eq!(&exchanges[0].request.target[..], b"/x");
    }
}

#[test]
fn a_topic_that_is_missing_is_named() {
    let store = TestStore::kafka();
    let process = replay_with(&[&["--store", store.url()], &TARGET, &WINDOW]);
    assert_refused(process, 1, &["the topic '", "does not exist on"]);
}
