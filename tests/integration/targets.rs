//! How targets are reached: TLS, given addresses, a limit for each phase.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use umbra_common::exchange::{Exchange, HttpVersion};
use umbra_common::time::Timestamp;
use umbra_replayer::report::TargetReport;
use umbra_tests::certificates::Authority;
use umbra_tests::exchanges::{get, post};
use umbra_tests::origin::{Answer, Origin};
use umbra_tests::ports::BlackHole;
use umbra_tests::receiver::Receiver;
use umbra_tests::replayer::{TestFollow, replay};
use umbra_tests::stores::TestStore;
use umbra_tests::tls_front::{TlsFront, TlsFrontSettings};
use umbra_tests::wait::{Gate, eventually};

use crate::both_stores::on_both_stores;
use crate::controlled::Controlled;
use crate::programs::replayer;

/// `count` requests `/0`, `/1`, …, all of this moment.
pub(crate) fn requests(count: u64) -> Vec<Exchange> {
    let first = Timestamp::now().before(Duration::from_secs(60));
    (0..count).map(|i| get(first.after(Duration::from_millis(i)), &format!("/{i}"))).collect()
}

/// A store with one HTTP/1.1 exchange and one HTTP/2 exchange.
fn one_of_each() -> TestStore {
    let store = TestStore::sqlite();
    let at = Timestamp::now().before(Duration::from_secs(1));
    let mut http2 = get(at, "/2");
    http2.request.version = HttpVersion::Http2;
    http2.request.headers = Default::default();
    store.write(&[post(at, "/1", b"body"), http2]);
    store
}

#[track_caller]
pub(crate) fn failed(target: &TargetReport, kind: &str, why: &str) {
    let failures = target.failures.join("\n");
    assert_eq!(target.ledger.reason("failed", kind), target.ledger.seen, "{}: {failures}", target.ledger);
    assert!(failures.contains(why), "{failures}");
}

/// A server of both protocols behind TLS, for the name `staging.test`.
struct Https {
    authority: Authority,
    receiver: Receiver,
    front: TlsFront,
}

impl Https {
    fn start(alpn: &[&str], asks_for_certificates: bool) -> Self {
        let (authority, receiver) = (Authority::new(), Receiver::start());
        let identity = authority.issue("server", &["staging.test"]);
        let clients_of = asks_for_certificates.then_some(&authority);
        let front = TlsFront::before(receiver.addr(), TlsFrontSettings { identity: &identity, alpn, clients_of });
        Self { authority, receiver, front }
    }

    /// The flags that lead to it.
    fn flags(&self) -> Vec<String> {
        let port = self.front.addr().port();
        let target = format!("staging=https://staging.test:{port}");
        let flags = ["--target", &target, "--resolve", &format!("staging.test:{port}:127.0.0.1"), "--rate", "max"];
        flags.map(ToOwned::to_owned).to_vec()
    }

    #[track_caller]
    fn replay(&self, store: &TestStore, more: &[&str]) -> TargetReport {
        let flags = self.flags();
        let flags: Vec<_> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
        replay(store, &flags).targets.remove(0)
    }
}

#[test]
fn an_https_target_gets_each_exchange_in_its_own_protocol() {
    let (https, store) = (Https::start(&["h2", "http/1.1"], false), one_of_each());
    let ca = https.authority.file().display().to_string();
    let report = https.replay(&store, &["--target-ca", &ca]);
    assert_eq!(report.ledger.state("answered"), 2, "{} {:?}", report.ledger, report.failures);
    assert_eq!((https.receiver.count(), https.receiver.http2_count()), (2, 1));
    let handshakes = https.front.handshakes();
    let mut protocols: Vec<_> = handshakes.iter().map(|h| h.alpn.as_deref().unwrap()).collect();
    protocols.sort_unstable();
    assert_eq!(protocols, ["h2", "http/1.1"]);
    assert!(handshakes.iter().all(|h| h.name.as_deref() == Some("staging.test") && !h.certified), "{handshakes:?}");
    for (protocol, http2) in [("h1", 1), ("h2", 3)] {
        https.replay(&store, &["--target-ca", &ca, "--protocol", protocol]);
        assert_eq!(https.receiver.http2_count(), http2, "--protocol {protocol}");
    }
}

#[test]
fn a_target_without_http2_says_so() {
    let (https, store) = (Https::start(&[], false), one_of_each());
    let ca = https.authority.file().display().to_string();
    let report = https.replay(&store, &["--target-ca", &ca]);
    assert_eq!((report.ledger.state("answered"), report.ledger.reason("failed", "tls")), (1, 1), "{}", report.ledger);
    assert!(report.failures[0].contains("give --protocol h1"), "{:?}", report.failures);
    let report = https.replay(&store, &["--target-ca", &ca, "--protocol", "h1"]);
    assert_eq!(report.ledger.state("answered"), 2, "{}", report.ledger);
}

#[test]
fn a_target_that_wants_a_certificate_is_shown_ours() {
    let (https, store) = (Https::start(&["http/1.1", "h2"], true), one_of_each());
    let ca = https.authority.file().display().to_string();
    let client = https.authority.issue("client", &["client.test"]);
    let (cert, key) = (client.cert.display().to_string(), client.key.display().to_string());
    let report = https.replay(&store, &["--target-ca", &ca, "--target-cert", &cert, "--target-key", &key]);
    assert_eq!(report.ledger.state("answered"), 2, "{} {:?}", report.ledger, report.failures);
    assert!(https.front.handshakes().iter().all(|h| h.certified));
    // TLS 1.3 refuses a client behind its handshake: what fails then is the connection.
    let report = https.replay(&store, &["--target-ca", &ca]);
    assert_eq!(report.ledger.state("failed"), 2, "{} {:?}", report.ledger, report.failures);
    assert_eq!(https.receiver.count(), 2);
}

#[test]
fn a_stranger_s_certificate_is_refused_unless_told_otherwise() {
    let (https, store, other) = (Https::start(&["http/1.1", "h2"], false), one_of_each(), Authority::new());
    let ca = other.file().display().to_string();
    failed(&https.replay(&store, &["--target-ca", &ca]), "tls", "for staging.test failed: invalid peer certificate");
    assert_eq!(https.receiver.count(), 0);
    let window = ["replay", "--store", store.url(), "--from", "-1day", "--to", "+1h"].map(ToOwned::to_owned);
    let flags = [&window[..], &https.flags(), &["--insecure-tls".to_owned()]].concat();
    let finished = replayer(&flags.iter().map(String::as_str).collect::<Vec<_>>()).finish().expect(0);
    assert!(finished.stderr.contains("WARN") && finished.stderr.contains("--insecure-tls"), "{}", finished.stderr);
    assert_eq!(https.receiver.count(), 2);
}

/// Follows to a target that every attempt to connect to fails at, and then as it should be.
#[track_caller]
fn waited_for(https: &Https, store: &TestStore, vain: &[&str], right: &[&str]) {
    let flags = https.flags();
    // Without a pace, which a tail has none of.
    let flags: Vec<_> = flags[..flags.len() - 2].iter().map(String::as_str).chain(["--from", "earliest"]).collect();
    let process = Controlled::start(&[&["follow", "--store", store.url()], &flags[..], vain].concat());
    let target = || process.status()["targets"][0].clone();
    eventually("some attempts", || target()["connect_retried"].as_u64() > Some(4));
    let ledger = &target()["ledger"];
    assert_eq!((&ledger["seen"], &ledger["open"], https.receiver.count()), (&2.into(), &2.into(), 0), "{ledger}");
    process.signal("TERM");
    process.finish().expect(130);
    let follow = TestFollow::start(store, &[&flags[..], right].concat());
    https.receiver.wait_for(2);
    assert_eq!(follow.finish().targets[0].ledger.state("answered"), 2);
}

#[test]
fn a_tail_waits_for_a_target_whose_certificate_is_not_trusted() {
    let (https, store, other) = (Https::start(&["http/1.1", "h2"], false), one_of_each(), Authority::new());
    let (stranger, ca) = (other.file().display().to_string(), https.authority.file().display().to_string());
    waited_for(&https, &store, &["--target-ca", &stranger], &["--target-ca", &ca]);
}

#[test]
fn a_tail_waits_for_a_target_that_does_not_speak_http2() {
    let (https, store) = (Https::start(&[], false), one_of_each());
    let ca = https.authority.file().display().to_string();
    let ca = ["--target-ca", &ca];
    waited_for(&https, &store, &[&ca[..], &["--protocol", "h2"]].concat(), &[&ca[..], &["--protocol", "h1"]].concat());
}

#[test]
fn each_phase_has_its_limit() {
    let store = TestStore::sqlite();
    store.write(&requests(3));
    let hole = BlackHole::at(([127, 0, 0, 1], 0).into());
    let target = format!("hole=http://{}", hole.addr());
    let report = replay(&store, &["--target", &target, "--rate", "max", "--connect-timeout", "300ms"]);
    failed(&report.targets[0], "connect", "within 300ms");

    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let silent = Origin::with(move |head| match head.target() {
        b"/0" => Answer::unread().wait(&held).then(Answer::ok("late")),
        _ => Answer::ok("ok"),
    });
    let target = format!("silent={}", silent.url());
    let report = replay(&store, &["--target", &target, "--rate", "max", "--response-timeout", "300ms"]);
    gate.open();
    let ledger = &report.targets[0].ledger;
    assert_eq!((ledger.state("answered"), ledger.reason("failed", "response_timeout")), (2, 1), "{ledger}");
    assert!(report.targets[0].failures[0].contains("--response-timeout"), "{:?}", report.targets[0].failures);
}

on_both_stores! {
    fn targets_with_a_weight_share_the_traffic_by_session(store: &TestStore) {
        const COUNT: u64 = 300;
        let mut all = requests(COUNT);
        for (i, exchange) in all.iter_mut().enumerate() {
            exchange.session = vec![b's', u8::try_from(i % 60).unwrap()].into();
        }
        store.write(&all);
        let origins = [Origin::start(), Origin::start(), Origin::start()];
        let targets: Vec<_> = ["a", "b", "all"].iter().zip(&origins).map(|(n, o)| format!("{n}={}", o.url())).collect();
        let mut flags = vec!["--rate", "max", "--weight", "a=70,b=30"];
        targets.iter().for_each(|target| flags.extend(["--target", target.as_str()]));
        let report = replay(store, &flags);
        let answered: Vec<_> = report.targets.iter().map(|t| t.ledger.state("answered")).collect();
        assert_eq!((answered[0] + answered[1], answered[2]), (COUNT, COUNT), "{answered:?}");
        for target in &report.targets[..2] {
            assert_eq!(target.ledger.reason("skipped", "other_target"), COUNT - target.ledger.state("answered"));
        }
        let sessions = |origin: &Origin| -> BTreeSet<u64> {
            let paths = origin.requests().into_iter().map(|r| r.head.target().escape_ascii().to_string());
            paths.map(|path| path[1..].parse::<u64>().unwrap() % 60).collect()
        };
        let (a, b) = (sessions(&origins[0]), sessions(&origins[1]));
        assert!(a.is_disjoint(&b) && a.len() + b.len() == 60 && a.len() > b.len(), "{a:?} {b:?}");
        // Another process decides the same.
        let again = replay(store, &flags);
        assert_eq!(again.targets[0].ledger.state("answered"), answered[0]);
    }
}
