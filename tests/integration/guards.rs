//! What keeps shadow traffic from production and out of a loop. Each test fails where its guard is taken away.

use std::time::Duration;

use umbra_common::time::Timestamp;
use umbra_tests::exchanges::get;
use umbra_tests::origin::{Answer, Origin};
use umbra_tests::stores::TestStore;

use crate::both_stores::on_both_stores;
use crate::programs::{assert_refused, replayer};

/// Requests that were recorded in front of this service.
fn recorded_before(store: &TestStore, production: &Origin) {
    let first = Timestamp::now().before(Duration::from_secs(60));
    let exchanges = (0..50).map(|n| {
        let mut exchange = get(first.after(Duration::from_millis(n)), &format!("/{n}"));
        exchange.upstream = production.url().into();
        exchange
    });
    store.write(&exchanges.collect::<Vec<_>>());
}

on_both_stores! {
    fn one_target_that_is_production_keeps_all_others_from_being_sent_to(store: &TestStore) {
        let (production, staging) = (Origin::start(), Origin::start());
        recorded_before(store, &production);
        let (good, bad) = (format!("good={}", staging.url()), format!("bad={}", production.url()));
        for pace in [&["--rate", "max"][..], &["--speed", "1x"], &["--job", "friday"]] {
            let flags = ["replay", "--store", store.url(), "--from", "-1h", "--target", &good, "--target", &bad];
            assert_refused_with_report(&[&flags[..], pace].concat());
        }
        assert_eq!((production.begun(), staging.begun()), (0, 0), "a target got shadow traffic");
    }

    fn follow_never_sends_to_the_service_that_was_recorded(store: &TestStore) {
        let production = Origin::start();
        recorded_before(store, &production);
        let target = format!("bad={}", production.url());
        assert_refused_with_report(&["follow", "--store", store.url(), "--from", "earliest", "--target", &target]);
        // By another name for the same address.
        let named = format!("bad=http://elsewhere.test:{}", production.addr().port());
        let resolve = format!("elsewhere.test:{}:127.0.0.1", production.addr().port());
        let flags = ["follow", "--store", store.url(), "--from", "earliest", "--target", &named, "--resolve", &resolve];
        assert_refused_with_report(&flags);
        assert_eq!(production.begun(), 0, "production got shadow traffic");
    }
}

/// A run that ends with 2 and says why; it prints what came of it all the same.
#[track_caller]
fn assert_refused_with_report(arguments: &[&str]) {
    let ended = replayer(arguments).finish().expect(2);
    let error = ended.stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_else(|| panic!("{ended:?}"));
    for part in ["the target 'bad'", "recorded in front of", "--allow-production-target"] {
        assert!(error.contains(part), "'{part}' is missing in {error}");
    }
}

#[test]
fn a_redirect_to_production_is_not_followed() {
    let (production, store) = (Origin::start(), TestStore::sqlite());
    recorded_before(&store, &production);
    let elsewhere = format!("{}/", production.url());
    let staging = Origin::with(move |_| Answer::status(307, &[("location", &elsewhere)], ""));
    let target = format!("staging={}", staging.url());
    let flags = ["replay", "--store", store.url(), "--from", "-1h", "--target", &target, "--rate", "max"];
    replayer(&flags).finish().expect(0);
    assert_eq!((staging.begun(), production.begun()), (50, 0));
}

#[test]
fn the_marker_cannot_be_changed_taken_away_or_carried_over() {
    let (staging, store) = (Origin::start(), TestStore::sqlite());
    let mut marked = get(Timestamp::now().before(Duration::from_secs(60)), "/");
    marked.request.headers.push("umbra-shadow", "another");
    marked.request.headers.push("umbra-recorded-by", "0123456789abcdef");
    store.write(&[marked]);
    let target = format!("staging={}", staging.url());
    let flags = ["replay", "--store", store.url(), "--from", "-1h", "--target", &target, "--rate", "max"];
    for edit in [
        ["--remove-header", "umbra-shadow"],
        ["--set-header", "umbra-shadow:x"],
        ["--rename-header", "umbra-shadow:x"],
        ["--rename-header", "x:Umbra-Shadow"],
        ["--token", "umbra-shadow=env:PATH"],
        ["--remove-header", "umbra-recorded-by"],
    ] {
        assert_refused(replayer(&[&flags[..], &edit].concat()), 2, &[edit[0], "cannot be changed"]);
    }
    let profile = store.directory().join("profile.toml");
    std::fs::write(&profile, "[[carry]]\nfrom = 'header:x'\nto = ['header:umbra-shadow']\n").unwrap();
    let carry = ["--profile", profile.to_str().unwrap()];
    assert_refused(replayer(&[&flags[..], &carry].concat()), 2, &["[[carry]]", "'umbra-shadow'", "marks what"]);
    replayer(&flags).finish().expect(0);
    let received = staging.only();
    assert_eq!(received.head.all("umbra-shadow"), [b"staging"]);
    let words = received.head.all("umbra-recorded-by");
    assert!(words.len() == 1 && words[0] != b"0123456789abcdef", "{words:?}");
}
