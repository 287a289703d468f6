//! Kafka by TLS and SASL, on a real broker that asks for both; and nothing that is secret in anything we say.

use std::path::Path;
use std::sync::OnceLock;

use umbra_tests::certificates::Authority;
use umbra_tests::exchanges::get;
use umbra_tests::kafka::{Password, SecuredBroker, USER};
use umbra_tests::origin::Origin;
use umbra_tests::process::Process;
use umbra_tests::wait::{DEADLINE, eventually};
use umbra_tests::wire::exchange;

use umbra_common::store::{Next, Start, Store, StoreConfig};
use umbra_common::time::{Timestamp, Window};

use crate::programs::{recorder_in, replayer_in};
use crate::running::Running;

/// The broker that the tests of this module share.
struct Shared {
    authority: Authority,
    password: Password,
    broker: SecuredBroker,
}

fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let (authority, password) = (Authority::new(), Password::new());
        let broker = SecuredBroker::start(&authority, &password);
        Shared { authority, password, broker }
    })
}

/// What is recorded over a listener with these properties can be read in a window and followed.
#[track_caller]
fn works(protocol: &str, properties: &[(&str, &str)]) {
    let mut config = StoreConfig::new(shared().broker.topic(protocol, "secured").parse().unwrap());
    config.kafka = properties.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    config.kafka.insert("security.protocol".into(), protocol.into());
    let written = get(Timestamp::now(), "/secured");
    let record = (written.id, written.arrival, umbra_common::codec::encode(&written));
    umbra_tests::stores::write_raw(&config, vec![record]);
    let store = Store::open(&config).unwrap();
    let mut reader = store.read(&store.plan(Window::ALL).unwrap()).unwrap();
    let Next::Record(stored) = reader.next(DEADLINE).unwrap() else { panic!("no record") };
    assert_eq!(stored.exchange.unwrap(), written);
    let mut follower = store.follow(&format!("secured-{:x}", fastrand::u64(..)), Start::Earliest).unwrap();
    let Next::Record(stored) = follower.next(DEADLINE).unwrap() else { panic!("nothing to follow") };
    assert_eq!(stored.exchange.unwrap(), written);
    follower.close().unwrap();
}

/// A mechanism with a password, without and with TLS.
#[track_caller]
fn mechanism_works(mechanism: &str) {
    let Shared { authority, password, .. } = shared();
    let ca = authority.file().display().to_string();
    let sasl = [("sasl.mechanism", mechanism), ("sasl.username", USER), ("sasl.password", &password.0)];
    works("SASL_PLAINTEXT", &sasl);
    works("SASL_SSL", &[&sasl[..], &[("ssl.ca.location", &ca)]].concat());
}

#[test]
fn sasl_plain_works_with_and_without_tls() {
    mechanism_works("PLAIN");
}

#[test]
fn sasl_scram_works_with_both_digests() {
    mechanism_works("SCRAM-SHA-256");
    mechanism_works("SCRAM-SHA-512");
}

#[test]
fn sasl_oauthbearer_works_with_the_token_that_librdkafka_makes() {
    let token = [
        ("sasl.mechanism", "OAUTHBEARER"),
        ("enable.sasl.oauthbearer.unsecure.jwt", "true"),
        ("sasl.oauthbearer.config", "principal=umbra"),
    ];
    works("SASL_PLAINTEXT", &token);
}

#[test]
fn tls_with_a_certificate_of_our_own_works() {
    let authority = &shared().authority;
    let own = authority.issue("recorder", &["recorder"]);
    let [ca, cert, key] = [&authority.file(), &own.cert, &own.key].map(|file| file.display().to_string());
    works("SSL", &[("ssl.ca.location", &ca), ("ssl.certificate.location", &cert), ("ssl.key.location", &key)]);
}

/// A configuration file for both programs.
fn file(folder: &Path, name: &str, url: &str, kafka: &[(&str, &str)]) -> String {
    let path = folder.join(name);
    let lines: String = kafka.iter().map(|(name, value)| format!("'{name}' = '{value}'\n")).collect();
    std::fs::write(&path, format!("[store]\nurl = '{url}'\n[store.kafka]\n{lines}")).unwrap();
    path.display().to_string()
}

/// Fails where a secret is in what was said.
#[track_caller]
fn says_nothing_of(secret: &str, said: &[&str]) {
    for text in said {
        assert!(!text.contains(secret), "a secret in:\n{text}");
    }
}

#[test]
fn a_password_from_a_file_or_the_environment_is_used_and_never_shown() {
    let Shared { password, broker, .. } = shared();
    let (folder, origin) = (tempfile::tempdir().unwrap(), Origin::start());
    let secret = folder.path().join("password");
    std::fs::write(&secret, format!("{}\n", password.0)).unwrap();
    let by_file = format!("file:{}", secret.display());
    for (n, from) in [by_file.as_str(), "env:KAFKA_PASSWORD"].into_iter().enumerate() {
        let url = broker.topic("SASL_PLAINTEXT", "hidden");
        let sasl = [
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.username", USER),
            ("sasl.password", from),
            ("debug", "security,broker"),
        ];
        let config = file(folder.path(), &format!("{n}.toml"), &url, &sasl);
        let environment = [("KAFKA_PASSWORD", password.0.as_str()), ("RUST_LOG", "debug")];
        let flags = ["--config", &config, "--upstream", &origin.url()];
        let checked = recorder_in(&environment, &[&flags[..], &["--check"]].concat()).finish().expect(0);
        let own = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        let recorder = Running::start_in(&environment, &[&flags[..], &own].concat());
        assert_eq!(exchange(recorder.addr(), "GET /hidden HTTP/1.1\r\nhost: a\r\n\r\n").status(), 200);
        eventually("recorded", || recorder.status()["ledger"]["ended"]["recorded"] == 1);
        let (status, metrics) = (recorder.admin("/status").text(), recorder.admin("/metrics").text());
        recorder.signal("TERM");
        let finished = recorder.finish().expect(0);
        let seen =
            replayer_in(&environment, &["traffic", "list", "--config", &config, "--from", "-1h"]).finish().expect(0);
        assert!(seen.stdout.contains("/hidden"), "{seen:?}");
        let said = [&status, &metrics, &finished.stdout, &finished.stderr, &checked.stdout, &checked.stderr];
        says_nothing_of(&password.0, &said.map(String::as_str));
        says_nothing_of(&password.0, &[&seen.stdout, &seen.stderr]);
    }
}

/// How often a line that contains `what` was said.
fn lines(program: &mut Process, what: &str) -> usize {
    program.stderr().lines().filter(|line| line.contains(what)).count()
}

/// A wrong password and a certificate of an authority that is not trusted: both are said, and both pass by themselves
/// when the broker is put right.
#[test]
fn who_is_refused_says_so_and_records_again_when_the_broker_is_put_right() {
    let (wrong, right) = (Authority::new(), Authority::new());
    let (before, password) = (Password::new(), Password::new());
    let mut broker = SecuredBroker::start(&wrong, &before);
    let (folder, origin) = (tempfile::tempdir().unwrap(), Origin::start());
    let ca = right.file().display().to_string();
    let soon = [("message.timeout.ms", "2000"), ("reconnect.backoff.max.ms", "500")];
    let sasl = [("sasl.mechanism", "PLAIN"), ("sasl.username", USER), ("sasl.password", password.0.as_str())];
    let refused = [("security.protocol", "SASL_PLAINTEXT")];
    let distrusted = [("security.protocol", "SASL_SSL"), ("ssl.ca.location", ca.as_str())];
    let start = |name: &str, protocol: &str, more: &[(&str, &str)]| {
        let kafka = [&soon[..], &sasl, more].concat();
        let config = file(folder.path(), name, &broker.topic(protocol, "refused"), &kafka);
        Running::start(&["--config", &config, "--upstream", &origin.url(), "--drain-timeout", "2s"])
    };
    let mut recorders = [start("sasl.toml", "SASL_PLAINTEXT", &refused), start("tls.toml", "SASL_SSL", &distrusted)];
    for (recorder, says) in recorders.iter_mut().zip(["uthentication", "certificate"]) {
        for _ in 0..5 {
            assert_eq!(exchange(recorder.addr(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n").status(), 200);
        }
        eventually("the reason in /status", || {
            let status = recorder.status();
            status["store"]["state"] == "down" && status["store"]["error"].as_str().is_some_and(|e| e.contains(says))
        });
        eventually("all lost", || recorder.status()["ledger"]["open"] == 0);
        assert_eq!(lines(recorder.program(), "the store does not take records"), 1, "{}", recorder.program().stderr());
    }
    broker.change(&right, &password);
    for recorder in recorders {
        let status = || recorder.status();
        eventually("up, without a request", || status()["store"]["state"] == "up");
        // A broker that has just started may take longer for one than it is waited for.
        eventually("recorded", || {
            assert_eq!(exchange(recorder.addr(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n").status(), 200);
            status()["ledger"]["ended"]["recorded"].as_u64() > Some(0)
        });
        let status = recorder.admin("/status").text();
        recorder.signal("TERM");
        says_nothing_of(&password.0, &[&status, &recorder.finish().expect(0).stderr]);
    }
}
