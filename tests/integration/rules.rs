//! Rules decide what is recorded, and change while a recorder runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use umbra_common::fraction::Fraction;
use umbra_tests::origin::Origin;
use umbra_tests::receiver::Receiver;
use umbra_tests::recorder::TestRecorder;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::eventually;
use umbra_tests::wire::{RawClient, RawResponse};

use crate::running::Running;

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// A recorder as a process, by a rules file of this text.
fn by_file(store: &TestStore, upstream: &str, text: &str) -> (Running, PathBuf) {
    let file = store.directory().join("rules.toml");
    write(&file, text);
    let flags = ["--store", store.url(), "--upstream", upstream, "--workers", "2", "--rules", file.to_str().unwrap()];
    (Running::start(&flags), file)
}

/// The version of the rules in force.
fn version(recorder: &Running) -> String {
    recorder.status()["rules"]["version"].as_str().unwrap().to_owned()
}

fn sample(fraction: &str) -> String {
    format!("[[rule]]\nname = 'all'\nsample = '{fraction}'\n")
}

/// The sample that the one rule of `/status` says.
fn sample_in(status: &Value) -> &str {
    status["rules"]["list"][0]["sample"].as_str().unwrap()
}

fn put(recorder: &Running, text: &str) -> RawResponse {
    recorder.ask(&format!("PUT /rules HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{text}", text.len()))
}

#[test]
fn the_first_rule_that_matches_decides_and_its_fraction_is_recorded() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let rules = "[[rule]]\nname = 'health'\npath = '/health/**'\nsample = '0%'\n\
        [[rule]]\nname = 'orders'\nmethod = 'POST'\nhost = '*.example.com'\nsample = '99.9999%'\nbody-limit = '2B'\n\
        [[rule]]\nname = 'quiet'\nheader = 'x-quiet'\nresponses = 'off'\n";
    let file = store.directory().join("rules.toml");
    write(&file, rules);
    let recorder =
        TestRecorder::start(&store, &origin.url(), &["--rules", file.to_str().unwrap(), "--sample", "99.9%"]);
    let mut client = recorder.client();
    for request in [
        "GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST /order HTTP/1.1\r\nhost: shop.example.com:80\r\ncontent-length: 4\r\n\r\nbody",
        "GET /quiet HTTP/1.1\r\nhost: a\r\nx-quiet: 1\r\n\r\n",
        "GET /other HTTP/1.1\r\nhost: a\r\n\r\n",
    ] {
        assert_eq!(client.exchange(request).status(), 200);
    }
    drop(client);
    let status: Value = serde_json::from_slice(&recorder.admin("/status").body.bytes).unwrap();
    let list = status["rules"]["list"].as_array().unwrap();
    assert!(list.iter().all(|rule| rule["matched"] == 1), "{status}");
    let ledger = recorder.drain();
    assert_eq!((ledger.seen, ledger.state("sampled_out") + ledger.state("recorded")), (4, 4), "{ledger}");
    for exchange in store.exchanges() {
        let at = |text: &str| text.parse::<Fraction>().unwrap();
        let (path, request) = (exchange.request.path(), &exchange.request);
        let response = exchange.response.as_ref().map(|response| response.status);
        match path {
            b"/order" => {
                assert_eq!((exchange.sampled_at, response), (at("99.9999%"), Some(200)));
                assert_eq!(
                    (&request.body.bytes[..], request.body.length, request.body.truncated),
                    (&b"bo"[..], 4, true)
                );
            }
            b"/quiet" => assert_eq!((exchange.sampled_at, response), (at("99.9%"), None)),
            b"/other" => assert_eq!((exchange.sampled_at, response), (at("99.9%"), Some(200))),
            other => panic!("{} was recorded", other.escape_ascii()),
        }
    }
}

/// The users whose requests a recorder process with these rules takes: `users` of them, one request each.
fn recorded(users: u32, rules: &str, more: &[&str]) -> BTreeSet<Vec<u8>> {
    let (upstream, store) = (Receiver::start(), TestStore::sqlite());
    let file = store.directory().join("rules.toml");
    write(&file, rules);
    let upstream = upstream.url();
    let flags = ["--store", store.url(), "--upstream", &upstream, "--sample-by", "header:x-user"];
    let recorder = Running::start(&[&flags[..], &["--rules", file.to_str().unwrap()], more].concat());
    let mut client = RawClient::connect(recorder.addr());
    for user in 0..users {
        let path = if user % 2 == 0 { "even" } else { "odd" };
        assert_eq!(
            client.exchange(format!("GET /{path} HTTP/1.1\r\nhost: a\r\nx-user: u{user}\r\n\r\n")).status(),
            200
        );
    }
    drop(client);
    recorder.signal("TERM");
    recorder.finish().expect(0);
    store.exchanges().iter().map(|e| e.request.headers.get("x-user").unwrap().to_vec()).collect()
}

/// Whether a count is within three standard deviations of a binomial distribution's mean. Keys are hashed with a fixed key:
/// for fixed keys the count is one number for ever, so that chance fails no build.
fn is_binomial(count: usize, of: u32, fraction: f64) -> bool {
    let n = f64::from(of);
    (count as f64 - n * fraction).abs() <= 3.0 * (n * fraction * (1.0 - fraction)).sqrt()
}

#[test]
fn samples_are_nested_over_rules_and_processes_and_as_large_as_they_should_be() {
    const USERS: u32 = 4000;
    let two = |even: &str, odd: &str| {
        format!("[[rule]]\npath = '/even'\nsample = '{even}'\n[[rule]]\npath = '/odd'\nsample = '{odd}'\n")
    };
    let small = recorded(USERS, &two("1%", "5%"), &[]);
    let large = recorded(USERS, &two("10%", "5%"), &[]);
    let plain = recorded(USERS, "", &["--sample", "10%"]);
    assert!(small.is_subset(&large), "{:?}", small.difference(&large).collect::<Vec<_>>());
    assert!(large.is_subset(&plain), "{:?}", large.difference(&plain).collect::<Vec<_>>());
    let of = |users: &BTreeSet<Vec<u8>>, odd: bool| {
        users.iter().filter(|user| user.last().is_some_and(|digit| (digit % 2 == 1) == odd)).count()
    };
    assert_eq!(of(&small, true), of(&large, true), "the same rule takes the same after a restart");
    for (count, of, fraction) in [
        (of(&small, false), USERS / 2, 0.01),
        (of(&large, false), USERS / 2, 0.1),
        (of(&small, true), USERS / 2, 0.05),
        (plain.len(), USERS, 0.1),
    ] {
        assert!(is_binomial(count, of, fraction), "{count} of {of} at {fraction}");
    }
}

#[test]
fn a_client_is_recorded_whole_or_not_at_all() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let flags = ["--sample", "50%", "--sample-by", "client", "--trust-forwarded-for", "127.0.0.0/8"];
    let recorder = TestRecorder::start(&store, &origin.url(), &flags);
    let mut client = recorder.client();
    for turn in 0..3 {
        for address in 0..60 {
            let fields = format!("host: a\r\nx-forwarded-for: 10.0.0.{address}");
            client.exchange(format!("GET /{address}?{turn} HTTP/1.1\r\n{fields}\r\n\r\n"));
        }
    }
    drop(client);
    recorder.drain();
    let exchanges = store.exchanges();
    let clients: BTreeSet<_> = exchanges.iter().map(|e| e.client.unwrap().ip()).collect();
    assert!((10..50).contains(&clients.len()), "{}", clients.len());
    for client in clients {
        let of: Vec<_> = exchanges.iter().filter(|e| e.client.unwrap().ip() == client).collect();
        assert_eq!(of.len(), 3, "{client} was recorded in parts");
        assert!(of.iter().all(|e| e.session == of[0].session && !e.session.is_empty()));
    }
}

#[test]
fn a_changed_file_is_taken_and_a_bad_one_changes_nothing() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let (mut recorder, file) = by_file(&store, &origin.url(), &sample("10%"));
    assert_eq!(sample_in(&recorder.status()), "10%");
    let first = version(&recorder);

    write(&file, &sample("20%"));
    eventually("the new rules are in force", || sample_in(&recorder.status()) == "20%");
    let second = version(&recorder);
    assert_ne!(first, second);

    write(&file, "[[rule]]\nsample = 'much'\n");
    let line = recorder.program().stderr_line("rules are refused");
    assert!(line.contains("rules.toml") && line.contains("'much' is no fraction"), "{line}");
    let status = recorder.status();
    assert_eq!((version(&recorder), sample_in(&status)), (second.clone(), "20%"));
    assert!(status["rules"]["refused"]["why"].as_str().unwrap().contains("line 2: 'much' is no fraction"), "{status}");
    assert!(recorder.admin("/metrics").text().contains("\numbra_recorder_rules_reload_failures_total 1\n"));

    std::fs::remove_file(&file).unwrap();
    recorder.program().stderr_line("No such file");
    assert_eq!(version(&recorder), second, "rules that are gone change nothing either");

    write(&file, &sample("30%"));
    eventually("good rules are taken again", || sample_in(&recorder.status()) == "30%");
    assert!(recorder.status()["rules"]["refused"].is_null());
}

#[test]
fn a_mounted_configmap_is_followed_through_its_symbolic_links() {
    use std::os::unix::fs::symlink;
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let mount = store.directory().join("mount");
    let version_of = |name: &str, text: &str| {
        std::fs::create_dir_all(mount.join(name)).unwrap();
        write(&mount.join(name).join("rules.toml"), text);
    };
    // As the kubelet lays a ConfigMap out, and changes it: one rename swaps all of its files.
    version_of("..2026_01", &sample("10%"));
    symlink("..2026_01", mount.join("..data")).unwrap();
    symlink("..data/rules.toml", mount.join("rules.toml")).unwrap();
    let file = mount.join("rules.toml");
    let flags = ["--store", store.url(), "--upstream", &origin.url(), "--rules", file.to_str().unwrap()];
    let recorder = Running::start(&flags);
    assert_eq!(sample_in(&recorder.status()), "10%");
    version_of("..2026_02", &sample("20%"));
    symlink("..2026_02", mount.join("..data_tmp")).unwrap();
    std::fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    std::fs::remove_dir_all(mount.join("..2026_01")).unwrap();
    eventually("the swapped rules are in force", || sample_in(&recorder.status()) == "20%");
    assert_eq!(recorder.status()["rules"]["reload_failures"], 0);
}

#[test]
fn rules_put_by_an_operator_hold_until_the_file_changes_or_is_asked_for() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let (recorder, file) = by_file(&store, &origin.url(), &sample("10%"));
    let answer = put(&recorder, &sample("50%"));
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!((sample_in(&recorder.status()), recorder.admin("/rules").text()), ("50%", sample("50%")));
    assert_eq!(recorder.admin("/rules").head.get("etag"), format!("\"{}\"", version(&recorder)));

    let refused = put(&recorder, "[[rule]]\npath = '['\nsample = '1%'\n");
    assert_eq!(refused.status(), 400);
    assert!(refused.text().contains("rule 'rule-1', path: '[' is no glob"), "{}", refused.text());
    assert_eq!(sample_in(&recorder.status()), "50%");

    recorder.signal("HUP");
    eventually("the file is read again", || sample_in(&recorder.status()) == "10%");
    assert_eq!(put(&recorder, &sample("60%")).status(), 200);
    write(&file, &sample("20%"));
    eventually("the changed file is in force", || sample_in(&recorder.status()) == "20%");
    assert_eq!(recorder.status()["rules"]["from"], "file");
}

#[test]
fn every_worker_follows_the_rules_at_once_and_the_ledger_adds_up() {
    let (upstream, store) = (Receiver::start(), TestStore::sqlite());
    let (recorder, _file) = by_file(&store, &upstream.url(), "");
    // Several connections, so that both workers have some.
    let mut clients: Vec<_> = (0..8).map(|_| RawClient::connect(recorder.addr())).collect();
    let mut twice_each = || {
        for client in &mut clients {
            for _ in 0..2 {
                assert_eq!(client.exchange("GET / HTTP/1.1\r\nhost: a\r\n\r\n").status(), 200);
            }
        }
    };
    twice_each();
    assert_eq!(put(&recorder, "recording = false").status(), 200);
    twice_each();
    assert_eq!(recorder.status()["recording"]["paused_by"], "admin");
    assert_eq!(put(&recorder, &sample("0%")).status(), 200);
    twice_each();
    recorder.signal("TERM");
    let said = recorder.finish().expect(0).stderr;
    assert!(said.contains("seen 48 = recorded 16 + sampled_out 16 + skipped{paused} 16"), "{said}");
}
