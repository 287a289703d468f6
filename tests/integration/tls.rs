//! TLS towards clients: both protocols by ALPN, the guard inside, certificates that change.

use std::path::Path;

use umbra_common::dial::Identity;
use umbra_common::exchange::{HttpVersion, Scheme};
use umbra_tests::certificates::Authority;
use umbra_tests::curl::curl;
use umbra_tests::grpc::{Greeter, GrpcClient};
use umbra_tests::origin::Origin;
use umbra_tests::recorder::TestRecorder;
use umbra_tests::stores::TestStore;
use umbra_tests::tls_client::TlsConnection;
use umbra_tests::wait::eventually;
use umbra_tests::wire::RawClient;

use crate::grpc::{SERVICE, call_all};
use crate::programs::{assert_refused, recorder};
use crate::running::Running;

/// The flags for a certificate.
fn flags(identity: &Identity) -> [String; 4] {
    let shown = |path: &Path| path.display().to_string();
    ["--tls-cert".into(), shown(&identity.cert), "--tls-key".into(), shown(&identity.key)]
}

/// A recorder with a certificate for `localhost` and the greeter's name, and further flags.
fn start(store: &TestStore, upstream: &str, authority: &Authority, more: &[&str]) -> TestRecorder {
    let tls = flags(&authority.issue("server", &["localhost", SERVICE]));
    let tls: Vec<&str> = tls.iter().map(String::as_str).chain(more.iter().copied()).collect();
    TestRecorder::start(store, upstream, &tls)
}

/// The value of a counter without labels, or of one line of it.
fn metric(recorder: &TestRecorder, name: &str) -> u64 {
    let text = recorder.admin("/metrics").text();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in:\n{text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn clients_choose_their_protocol_by_alpn_and_all_is_recorded_as_https() {
    let (origin, store, authority) = (Origin::start(), TestStore::sqlite(), Authority::new());
    let recorder = start(&store, &origin.url(), &authority, &[]);
    let (url, ca) = (format!("https://localhost:{}/x", recorder.addr().port()), authority.file());
    let ca = ca.display().to_string();
    for (protocol, says) in [
        (&["--http2"][..], "ok\n200 2"),
        (&["--http1.1"], "ok\n200 1.1"),
        (&["--http1.0", "--no-alpn"], "ok\n200 1"),
        (&["--http2", "--tls-max", "1.2"], "ok\n200 2"),
        (&["--http2", "--tlsv1.3"], "ok\n200 2"),
    ] {
        let said = curl(&[&["--cacert", &ca, &url], protocol].concat()).expect(0).stdout;
        assert!(said.starts_with(says), "{protocol:?}: {said}");
    }
    curl(&["--cacert", &ca, "--http2", "--data", "a=b", &url]).expect(0);
    let requests = origin.wait_for(6);
    for request in &requests {
        assert_eq!(request.head.get("x-forwarded-proto"), "https", "{request:?}");
    }
    recorder.drain();
    let exchanges = store.exchanges();
    assert!(exchanges.iter().all(|e| e.request.scheme == Scheme::Https), "{exchanges:?}");
    let versions: Vec<_> = exchanges.iter().map(|e| e.request.version).collect();
    use HttpVersion::{Http2, Http10, Http11};
    assert_eq!(versions, [Http2, Http11, Http10, Http2, Http2, Http2]);
}

#[test]
fn cleartext_and_old_versions_stay_off_a_port_with_tls() {
    let (origin, store, authority) = (Origin::start(), TestStore::sqlite(), Authority::new());
    let recorder = start(&store, &origin.url(), &authority, &[]);
    for cleartext in
        [&b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"]
    {
        let mut client = RawClient::connect(recorder.addr());
        client.send(cleartext);
        client.finish_sending();
        let mut answer = Vec::new();
        while let more @ [_, ..] = &client.bytes()[..] {
            answer.extend_from_slice(more);
        }
        // At most an alert (RFC 8446, 5.1: type 21).
        assert!(answer.is_empty() || answer[0] == 21, "{}", answer.escape_ascii());
    }
    let url = format!("https://localhost:{}/", recorder.addr().port());
    let old = curl(&["--insecure", "--tls-max", "1.1", "--ciphers", "DEFAULT:@SECLEVEL=0", &url]);
    assert_ne!(old.status, Some(0), "{old:?}");
    assert_eq!(origin.begun(), 0);
    eventually("three failed handshakes", || metric(&recorder, "umbra_recorder_tls_handshakes_failed_total") == 3);
    assert_eq!(recorder.drain().seen, 0);
}

#[test]
fn a_client_that_does_not_finish_its_handshake_is_let_go() {
    let (origin, store, authority) = (Origin::start(), TestStore::sqlite(), Authority::new());
    let recorder = start(&store, &origin.url(), &authority, &["--header-timeout", "200ms"]);
    let mut silent = RawClient::connect(recorder.addr());
    assert!(silent.is_closed_by_peer());
    let mut half = RawClient::connect(recorder.addr());
    half.send(b"\x16\x03\x01\x02\x00\x01");
    assert!(half.is_closed_by_peer());
    eventually("both failed", || metric(&recorder, "umbra_recorder_tls_handshakes_failed_total") == 2);
    recorder.drain();
}

#[test]
fn the_guard_stands_inside_of_tls() {
    let (origin, store, authority) = (Origin::start(), TestStore::sqlite(), Authority::new());
    let recorder = start(&store, &origin.url(), &authority, &[]);
    let send = |bytes: &str| {
        TlsConnection::connect(recorder.addr(), &authority, "localhost", &["http/1.1"]).exchange(bytes.as_bytes())
    };
    for (request, status) in [
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", "HTTP/1.1 400"),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 400",
        ),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 400"),
        ("GET / HTTP/1.2\r\nhost: a\r\n\r\n", "HTTP/1.1 505"),
    ] {
        let answer = send(request);
        assert!(answer.starts_with(status), "{}: {answer}", request.escape_debug());
    }
    // What came before a refused request is answered, and fields keep their order.
    let answer = send("GET /1 HTTP/1.1\r\nB: 1\r\nHost: a\r\nb: 2\r\n\r\nGET /2 HTTP/1.1\r\nhost : a\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("HTTP/1.1 400"), "{answer}");
    let head = origin.only().head;
    assert!(head.raw.starts_with(b"GET /1 HTTP/1.1\r\nB: 1\r\nHost: a\r\nb: 2\r\n"), "{}", head.raw.escape_ascii());
    assert_eq!(recorder.drain().to_string(), "seen 6 = recorded 1 + skipped{refused} 5");
}

#[test]
fn every_kind_of_grpc_call_goes_through_tls() {
    let (production, store, authority) = (Greeter::start(), TestStore::sqlite(), Authority::new());
    let recorder = start(&store, &production.url(), &authority, &[]);
    let mut client = GrpcClient::connect_tls(recorder.addr(), SERVICE, &authority);
    call_all(&mut client);
    drop(client);
    assert_eq!(recorder.drain().state("recorded"), 6);
    let calls = production.wait_for(6);
    assert!(calls[0].headers.contains_key("grpc-timeout"), "{:?}", calls[0]);
    assert!(store.exchanges().iter().all(|e| e.request.scheme == Scheme::Https && e.request.is_grpc()));
}

/// What a client of the recorder is shown.
fn shown(recorder: &TestRecorder, authority: &Authority) -> Vec<u8> {
    TlsConnection::connect(recorder.addr(), authority, "localhost", &[]).certificate()
}

#[test]
fn a_certificate_that_changes_is_taken_and_a_bad_one_is_not() {
    let (origin, store, authority) = (Origin::start(), TestStore::sqlite(), Authority::new());
    // As Kubernetes mounts a secret: the files are links into a directory behind a link that is swapped.
    let mounted = tempfile::tempdir().unwrap();
    let path = |name: &str| mounted.path().join(name);
    let version = |name: &str| {
        std::fs::create_dir(path(name)).unwrap();
        authority.issue_into(&path(name), "tls", &["localhost"])
    };
    let swap = |to: &str| {
        std::os::unix::fs::symlink(to, path("..new")).unwrap();
        std::fs::rename(path("..new"), path("..data")).unwrap();
    };
    version("1");
    swap("1");
    let identity = Identity { cert: path("tls.pem"), key: path("tls-key.pem") };
    for file in ["tls.pem", "tls-key.pem"] {
        std::os::unix::fs::symlink(format!("..data/{file}"), path(file)).unwrap();
    }
    let tls = flags(&identity);
    let tls: Vec<&str> = tls.iter().map(String::as_str).collect();
    let recorder = TestRecorder::start(&store, &origin.url(), &tls);
    let first = shown(&recorder, &authority);

    version("2");
    swap("2");
    eventually("the second certificate", || shown(&recorder, &authority) != first);
    let second = shown(&recorder, &authority);

    let third = version("3");
    std::fs::write(&third.key, "no key").unwrap();
    swap("3");
    eventually("the bad one's refusal", || {
        metric(&recorder, "umbra_recorder_certificate_reloads_total{result=\"refused\"}") == 1
    });
    assert_eq!(shown(&recorder, &authority), second);

    // Written over, and the key a moment after its certificate.
    let good = authority.issue_into(mounted.path(), "good", &["localhost"]);
    std::fs::copy(&good.key, &third.key).unwrap();
    std::fs::copy(&good.cert, &third.cert).unwrap();
    eventually("the third certificate", || shown(&recorder, &authority) != second);
    recorder.drain();
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_at_the_start_and_by_check() {
    let (authority, store) = (Authority::new(), TestStore::sqlite());
    let (one, other) = (authority.issue("one", &["a"]), authority.issue("other", &["a"]));
    let missing = "/does/not/exist.pem".into();
    for (identity, says) in [
        (Identity { cert: missing, key: one.key.clone() }, &["--tls-cert", "cannot read /does/not/exist.pem"][..]),
        (Identity { cert: one.cert.clone(), key: other.key.clone() }, &["--tls-key", "is not that of"]),
        (Identity { cert: one.key.clone(), key: other.key.clone() }, &["--tls-cert", "holds no certificate"]),
        (Identity { cert: one.cert.clone(), key: other.cert.clone() }, &["--tls-key", "holds no private key"]),
    ] {
        let tls = flags(&identity);
        let tls: Vec<&str> = tls.iter().map(String::as_str).collect();
        let least = ["--store", store.url(), "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0"];
        assert_refused(recorder(&[&least[..], &tls].concat()), 2, says);
        assert_refused(recorder(&[&least[..], &tls, &["--check"]].concat()), 2, says);
    }
    assert_refused(
        recorder(&["--store", store.url(), "--upstream", "http://127.0.0.1:1", "--tls-cert", "c.pem"]),
        2,
        &["--tls-cert c.pem", "--tls-key"],
    );
}

#[test]
fn the_start_says_that_it_takes_tls_and_check_prints_how() {
    let (authority, store) = (Authority::new(), TestStore::sqlite());
    let identity = authority.issue("server", &["localhost"]);
    let tls = flags(&identity);
    let tls: Vec<&str> = tls.iter().map(String::as_str).collect();
    let flags = [&["--store", store.url(), "--upstream", "http://127.0.0.1:1"], &tls[..]].concat();
    let mut running = Running::start(&flags);
    running.program().stderr_line(" with TLS for http://127.0.0.1:1");
    let said = recorder(&[&flags[..], &["--check"]].concat()).finish().expect(0).stdout;
    for line in [format!("tls-cert = {:?}", identity.cert), format!("tls-key = {:?}", identity.key)] {
        assert!(said.lines().any(|l| l == line), "'{line}' is missing in:\n{said}");
    }
}
