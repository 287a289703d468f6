//! How both programs reach an address: names that change, addresses that fail, TLS.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use umbra_common::dial::{Connection, DialError, Dialer, Resolver, TlsClient, TlsSettings};
use umbra_tests::certificates::Authority;
use umbra_tests::dns::{Dns, DnsAnswer};
use umbra_tests::origin::Origin;
use umbra_tests::ports::BlackHole;
use umbra_tests::tls_front::{TlsFront, TlsFrontSettings};
use umbra_tests::wait::eventually;

const LIMIT: Duration = Duration::from_secs(5);

/// A runtime as the recorder's workers have it, with a resolver that asks `dns`.
struct Worker {
    runtime: tokio::runtime::LocalRuntime,
    resolver: Resolver,
}

impl Worker {
    fn asking(dns: &Dns) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default());
        Self { runtime: runtime.unwrap(), resolver: Resolver::new(vec![dns.addr()], Vec::new()) }
    }

    fn dialer(&self, host: &str, port: u16) -> Dialer {
        Dialer::new(host, port, self.resolver.clone(), LIMIT)
    }

    fn connect(&self, dialer: &Dialer, tls: Option<&TlsClient>) -> Result<Connection, DialError> {
        self.runtime.block_on(dialer.connect(tls))
    }

    fn resolve(&self, host: &str) -> Result<Vec<SocketAddr>, String> {
        self.runtime.block_on(self.resolver.resolve(host, 80)).map_err(|e| e.to_string())
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn a_name_is_looked_up_once_in_its_time_to_live_and_then_followed() {
    let dns = Dns::start();
    let worker = Worker::asking(&dns);
    dns.say("api.test", DnsAnswer::Addresses(vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()], 30));
    let mut both = worker.resolve("api.test").unwrap();
    both.sort();
    assert_eq!(both, [address("10.0.0.1:80"), address("[fd00::1]:80")]);
    dns.point("api.test", &["10.0.0.2"]);
    for _ in 0..100 {
        assert_eq!(worker.resolve("api.test").unwrap().len(), 2);
    }
    assert_eq!(dns.queries(), 1);

    dns.point("www.test", &["10.0.0.1"]);
    let begin = Instant::now();
    assert_eq!(worker.resolve("www.test").unwrap(), [address("10.0.0.1:80")]);
    dns.point("www.test", &["10.0.0.2"]);
    eventually("the new address", || worker.resolve("www.test").unwrap() == [address("10.0.0.2:80")]);
    // The time to live runs in whole seconds on the wire.
    assert!(begin.elapsed() >= Duration::from_millis(900), "asked again after {:?}", begin.elapsed());
}

#[test]
fn a_name_server_that_falls_silent_leaves_the_last_answer_in_use() {
    let dns = Dns::start();
    let worker = Worker::asking(&dns);
    dns.point("api.test", &["10.0.0.1"]);
    let known = worker.resolve("api.test");
    dns.say("api.test", DnsAnswer::Silence);
    let before = dns.queries();
    eventually("another query", || {
        assert_eq!(worker.resolve("api.test"), known);
        dns.queries() > before
    });
    assert_eq!(worker.resolve("api.test"), known);
    // And it is followed again when it speaks.
    dns.point("api.test", &["10.0.0.2"]);
    eventually("the new address", || worker.resolve("api.test").unwrap() == [address("10.0.0.2:80")]);
}

#[test]
fn a_name_that_does_not_exist_yet_is_soon_found() {
    let dns = Dns::start();
    let worker = Worker::asking(&dns);
    let error = worker.resolve("new.test").unwrap_err();
    assert!(error.contains("there is no address for the name 'new.test'"), "{error}");
    let queries = dns.queries();
    for _ in 0..100 {
        worker.resolve("new.test").unwrap_err();
    }
    assert!(dns.queries() <= queries + 1, "{} queries", dns.queries());
    dns.point("new.test", &["10.0.0.1"]);
    eventually("the new name", || worker.resolve("new.test").is_ok());
}

#[test]
fn everyone_who_waits_for_a_name_shares_one_query() {
    let dns = Dns::start();
    let worker = Worker::asking(&dns);
    dns.point("api.test", &["10.0.0.1"]);
    worker.runtime.block_on(async {
        let (a, b, c) = tokio::join!(
            worker.resolver.resolve("api.test", 1),
            worker.resolver.resolve("api.test", 2),
            worker.resolver.resolve("api.test", 3)
        );
        assert!(a.is_ok() && b.is_ok() && c.is_ok());
    });
    assert_eq!(dns.queries(), 1);
}

#[test]
fn an_address_that_refuses_is_passed_over_and_left_alone_for_a_while() {
    let (origin, dns) = (Origin::start(), Dns::start());
    let worker = Worker::asking(&dns);
    // Nobody listens at 127.0.0.2.
    dns.say("api.test", DnsAnswer::Addresses(vec!["127.0.0.2".parse().unwrap(), "127.0.0.1".parse().unwrap()], 30));
    let dialer = worker.dialer("api.test", origin.addr().port());
    for _ in 0..20 {
        assert_eq!(worker.connect(&dialer, None).unwrap().address, origin.addr());
    }
    let nobody = worker.dialer("127.0.0.2", origin.addr().port());
    let error = worker.connect(&nobody, None).unwrap_err();
    assert!(matches!(error, DialError::Refused(_)), "{error}");
    let unknown = worker.dialer("nowhere.test", 80);
    let error = worker.connect(&unknown, None).unwrap_err();
    assert!(matches!(error, DialError::Name(_)) && !error.is_timeout(), "{error}");
}

#[test]
fn an_address_that_swallows_connections_costs_a_moment_once() {
    let (origin, dns) = (Origin::start(), Dns::start());
    let hole = BlackHole::at(SocketAddr::new("127.0.0.2".parse().unwrap(), origin.addr().port()));
    let worker = Worker::asking(&dns);
    dns.say("api.test", DnsAnswer::Addresses(vec!["127.0.0.2".parse().unwrap(), "127.0.0.1".parse().unwrap()], 30));
    let dialer = worker.dialer("api.test", origin.addr().port());
    for _ in 0..20 {
        let begin = Instant::now();
        assert_eq!(worker.connect(&dialer, None).unwrap().address, origin.addr());
        assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
    }
    let limit = Duration::from_millis(300);
    let alone = Dialer::new("127.0.0.2", hole.addr().port(), worker.resolver.clone(), limit);
    let error = worker.connect(&alone, None).unwrap_err();
    assert!(error.is_timeout() && error.to_string().contains("within 300ms"), "{error}");
}

#[test]
fn a_server_that_accepts_and_then_says_nothing_fails_a_handshake_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (worker, authority) = (Worker::asking(&Dns::start()), Authority::new());
    let settings = TlsSettings { ca: Some(authority.file()), ..TlsSettings::default() };
    let tls = TlsClient::new(settings.client(&[]).unwrap(), "localhost").unwrap();
    let port = silent.local_addr().unwrap().port();
    let dialer = Dialer::new("127.0.0.1", port, worker.resolver.clone(), Duration::from_millis(300));
    assert!(worker.connect(&dialer, Some(&tls)).unwrap_err().is_timeout());
}

#[test]
fn a_certificate_is_checked_against_the_authority_and_the_name() {
    let (origin, dns, authority) = (Origin::start(), Dns::start(), Authority::new());
    let identity = authority.issue("server", &["api.test"]);
    let front =
        TlsFront::before(origin.addr(), TlsFrontSettings { identity: &identity, alpn: &["h2"], clients_of: None });
    let worker = Worker::asking(&dns);
    let dialer = worker.dialer("127.0.0.1", front.addr().port());
    let trusting = TlsSettings { ca: Some(authority.file()), ..TlsSettings::default() };
    let connect = |settings: &TlsSettings, name: &str| {
        let tls = TlsClient::new(settings.client(&[b"h2", b"http/1.1"]).unwrap(), name).unwrap();
        worker.connect(&dialer, Some(&tls)).map_err(|e| e.to_string())
    };
    assert_eq!(connect(&trusting, "api.test").unwrap().stream.alpn(), Some(&b"h2"[..]));

    let error = connect(&trusting, "www.test").unwrap_err();
    assert!(error.contains("for www.test failed") && error.contains("not valid for name"), "{error}");
    let another = Authority::new();
    let stranger = TlsSettings { ca: Some(another.file()), ..TlsSettings::default() };
    let error = connect(&stranger, "api.test").unwrap_err();
    assert!(error.contains("UnknownIssuer") || error.contains("BadSignature"), "{error}");
    let insecure = TlsSettings { insecure: true, ..TlsSettings::default() };
    connect(&insecure, "www.test").unwrap();
}

#[test]
fn a_server_that_wants_a_certificate_is_shown_ours() {
    let (origin, dns, authority) = (Origin::start(), Dns::start(), Authority::new());
    let identity = authority.issue("server", &["127.0.0.1"]);
    let settings = TlsFrontSettings { identity: &identity, alpn: &[], clients_of: Some(&authority) };
    let front = TlsFront::before(origin.addr(), settings);
    let worker = Worker::asking(&dns);
    let dialer = worker.dialer("127.0.0.1", front.addr().port());
    let client = authority.issue("client", &["client.test"]);
    let settings = TlsSettings { ca: Some(authority.file()), identity: Some(client), insecure: false };
    let tls = TlsClient::new(settings.client(&[]).unwrap(), "127.0.0.1").unwrap();
    worker.connect(&dialer, Some(&tls)).unwrap();
    eventually("the handshake", || front.handshakes().first().is_some_and(|h| h.certified));
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let authority = Authority::new();
    let (one, other) = (authority.issue("one", &["a"]), authority.issue("other", &["a"]));
    let error = |settings: TlsSettings| settings.client(&[]).unwrap_err().to_string();
    let missing = error(TlsSettings { ca: Some("/does/not/exist.pem".into()), ..TlsSettings::default() });
    assert!(missing.contains("cannot read /does/not/exist.pem"), "{missing}");
    let key = error(TlsSettings { ca: Some(one.key.clone()), ..TlsSettings::default() });
    assert!(key.contains("one-key.pem holds no certificate"), "{key}");
    let mixed = umbra_common::dial::Identity { cert: one.cert.clone(), key: other.key.clone() };
    let mixed = error(TlsSettings { ca: Some(authority.file()), identity: Some(mixed), insecure: false });
    assert!(mixed.contains("other-key.pem is not that of the first certificate in"), "{mixed}");
    let swapped = umbra_common::dial::Identity { cert: one.cert.clone(), key: one.cert };
    let swapped = error(TlsSettings { ca: Some(authority.file()), identity: Some(swapped), insecure: false });
    assert!(swapped.contains("one.pem holds no private key"), "{swapped}");
    assert!(
        TlsClient::new(TlsSettings { insecure: true, ..TlsSettings::default() }.client(&[]).unwrap(), "a b").is_err()
    );
}
