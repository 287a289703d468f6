//! `traffic list`, `show` and `tail`: recorded traffic for people and for programs.

use std::time::Duration;

use umbra_common::time::Timestamp;
use umbra_replayer::ExitStatus;
use umbra_tests::exchanges::{get, post};
use umbra_tests::replayer::run;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::eventually;

use crate::both_stores::on_both_stores;
use crate::programs::{replayer, replayer_on_a_terminal};

on_both_stores! {
    fn list_and_show_print_what_is_stored(store: &TestStore) {
        let at = Timestamp::now().before(Duration::from_secs(60));
        let mut order = post(at, "/orders?id=1", b"{\"n\":1}");
        order.request.headers.push("x-odd", b"\xff");
        let other = get(at.after(Duration::from_secs(1)), "/health");
        store.write(&[order.clone(), other.clone()]);

        let (status, table) = run(&["traffic", "list", "--store", store.url()]);
        assert_eq!(status, ExitStatus::Done);
        for part in ["POST", "/orders?id=1", "/health", &order.id.to_string(), &other.id.to_string()] {
            assert!(table.contains(part), "'{part}' is missing in:\n{table}");
        }
        let (_, lines) = run(&["traffic", "list", "--store", store.url(), "--output", "json"]);
        let objects: Vec<serde_json::Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(objects.len(), 2, "one object a line:\n{lines}");
        assert_eq!(objects[0]["id"], order.id.to_string(), "in order of arrival");

        let id = order.id.to_string();
        let (_, http) = run(&["traffic", "show", &id, "--store", store.url()]);
        assert!(http.contains("POST /orders?id=1") && http.contains("{\"n\":1}"), "{http}");
        let (_, curl) = run(&["traffic", "show", &id, "--store", store.url(), "--output", "curl"]);
        assert!(curl.starts_with("curl ") && curl.contains("/orders?id=1"), "{curl}");
    }

    fn tail_prints_what_is_recorded_from_now_on(store: &TestStore) {
        store.write(&[get(Timestamp::now(), "/before")]);
        let tail = replayer(&["traffic", "tail", "--store", store.url(), "--output", "json"]);
        // When it has begun to look cannot be seen from outside: records are written until one is printed.
        let mut n = 0;
        eventually("a record on standard output", || {
            n += 1;
            store.write(&[get(Timestamp::now(), &format!("/live{n}"))]);
            tail.stdout().contains("/live")
        });
        assert!(!tail.stdout().contains("/before"), "{}", tail.stdout());
        tail.signal("INT");
        let finished = tail.finish();
        assert!(finished.stdout.lines().all(|l| serde_json::from_str::<serde_json::Value>(l).is_ok()), "{finished:?}");
    }
}

#[test]
fn tables_fit_the_terminal_and_have_colours_only_there() {
    let store = TestStore::sqlite();
    let mut failed = get(Timestamp::now().before(Duration::from_secs(1)), &format!("/{}", "a-long-name/".repeat(30)));
    failed.response.as_mut().unwrap().status = 503;
    failed.request.headers.push("x-odd", b"\x1b[2J");
    failed.request.target = [&failed.request.target[..], b"?\x1b[2J"].concat().into();
    store.write(&[failed, get(Timestamp::now(), "/")]);
    let escape = regex::Regex::new(r"\x1b\[[0-9]+m").unwrap();
    for command in ["list", "top"] {
        let flags = ["traffic", command, "--store", store.url()];
        for columns in [80, 100, 132] {
            let seen = replayer_on_a_terminal(columns, &flags).finish().expect(0).stdout;
            assert!(escape.is_match(&seen), "no colours: {seen}");
            let plain = escape.replace_all(&seen, "");
            assert!(!plain.contains('\x1b'), "a client's bytes reach the terminal: {plain:?}");
            assert_eq!(plain.lines().count(), 3, "{plain}");
            let longest = plain.lines().map(|line| line.trim_end().chars().count()).max();
            assert!(longest.is_some_and(|longest| longest <= columns), "{command}, {columns}: {longest:?}\n{plain}");
        }
        let plain = replayer_on_a_terminal(100, &[&flags[..], &["--no-color"]].concat()).finish().expect(0).stdout;
        assert!(!plain.contains('\x1b'), "{plain:?}");
        assert!(!replayer(&flags).finish().expect(0).stdout.contains('\x1b'), "a pipe has no colours");
    }
}
