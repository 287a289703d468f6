//! The way to the upstream: its protocols, its addresses, and what is never sent twice.

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use h2::Reason;
use http::{Request, Version};
use umbra_common::exchange::Ending;
use umbra_tests::certificates::Authority;
use umbra_tests::dns::{Dns, DnsAnswer};
use umbra_tests::grpc::{CallEnd, Greeter, GrpcClient, hello};
use umbra_tests::http2::{Http2Client, Http2Response};
use umbra_tests::http2_origin::{Http2Origin, RESET};
use umbra_tests::origin::{Answer, Origin};
use umbra_tests::ports::{BlackHole, Refusing};
use umbra_tests::recorder::TestRecorder;
use umbra_tests::stores::TestStore;
use umbra_tests::tls_front::{TlsFront, TlsFrontSettings};
use umbra_tests::wait::eventually;
use umbra_tests::wire::exchange;

use crate::grpc::{SERVICE, call_all};
use crate::programs::{assert_refused, recorder};

const GET: &str = "GET / HTTP/1.1\r\nhost: api.example.com\r\n\r\n";
const POST: &str = "POST /pay HTTP/1.1\r\nhost: api.example.com\r\ncontent-length: 3\r\n\r\n100";

fn get(client: &mut Http2Client, path: &str) -> Http2Response {
    let uri = format!("http://api.example.com{path}");
    client.exchange(Request::builder().uri(uri).body(Default::default()).unwrap())
}

/// The code of the RST_STREAM that a response has ended with.
fn reset_code(error: &hyper::Error) -> Option<Reason> {
    let causes = std::iter::successors(Some(error as &dyn Error), |&error| error.source());
    causes.filter_map(|cause| cause.downcast_ref::<h2::Error>()).find_map(h2::Error::reason)
}

fn failures(recorder: &TestRecorder, kind: &str) -> u64 {
    let text = recorder.admin("/metrics").text();
    let name = format!("umbra_recorder_upstream_failures_total{{kind=\"{kind}\"}} ");
    text.lines().find_map(|l| l.strip_prefix(&name)).unwrap_or_else(|| panic!("no {name} in:\n{text}")).parse().unwrap()
}

/// A server behind TLS for the name `api.test`, and the flags by which a recorder trusts it.
struct Https {
    authority: Authority,
    front: TlsFront,
}

impl Https {
    fn before(to: SocketAddr, alpn: &[&str]) -> Self {
        let authority = Authority::new();
        let identity = authority.issue("upstream", &["api.test"]);
        let front = TlsFront::before(to, TlsFrontSettings { identity: &identity, alpn, clients_of: None });
        Self { authority, front }
    }

    fn recorder(&self, store: &TestStore, more: &[&str]) -> TestRecorder {
        let ca = self.authority.file().display().to_string();
        let flags = ["--upstream-ca", &ca, "--upstream-server-name", "api.test"];
        TestRecorder::start(store, &format!("https://{}", self.front.addr()), &[&flags, more].concat())
    }

    fn alpn(&self) -> Vec<Option<String>> {
        self.front.handshakes().into_iter().map(|h| h.alpn).collect()
    }
}

#[test]
fn an_https_upstream_is_spoken_to_as_the_client_came() {
    let (greeter, store) = (Greeter::start(), TestStore::sqlite());
    let https = Https::before(greeter.addr(), &["h2", "http/1.1"]);
    let recorder = https.recorder(&store, &["--workers", "1"]);
    let mut client = GrpcClient::connect(recorder.addr(), SERVICE);
    call_all(&mut client);
    drop(client);
    // The greeter knows no such page; who answers is what matters.
    exchange(recorder.addr(), GET);
    let versions: Vec<_> = greeter.calls().iter().map(|c| (c.version, c.uri.scheme_str().map(String::from))).collect();
    assert_eq!(versions[0], (Version::HTTP_2, Some("https".into())));
    assert_eq!(versions.last().unwrap().0, Version::HTTP_11);
    assert_eq!(https.alpn(), [Some("h2".into()), Some("http/1.1".into())]);
    assert_eq!(https.front.handshakes()[0].name.as_deref(), Some("api.test"));
    recorder.drain();
}

#[test]
fn an_https_upstream_without_http2_gets_http1_but_no_grpc() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    for alpn in [&["http/1.1"][..], &[]] {
        let https = Https::before(origin.addr(), alpn);
        let recorder = https.recorder(&store, &[]);
        let mut client = Http2Client::connect(recorder.addr());
        for _ in 0..3 {
            assert_eq!(get(&mut client, "/a").head.status(), 200);
        }
        let mut grpc = GrpcClient::connect(recorder.addr(), SERVICE);
        let status = grpc.say_hello(tonic::Request::new(hello("Ann", 1))).unwrap_err();
        assert_eq!(status.code(), tonic::Code::Unavailable);
        assert_eq!(failures(&recorder, "no_http2"), 1);
        drop((client, grpc));
        recorder.drain();
    }
    assert_eq!(origin.requests().len(), 6);
}

#[test]
fn an_upstream_that_cannot_be_trusted_gets_nothing() {
    let (origin, store, stranger) = (Origin::start(), TestStore::sqlite(), Authority::new());
    let https = Https::before(origin.addr(), &[]);
    let url = format!("https://{}", https.front.addr());
    let (ca, own) = (https.authority.file().display().to_string(), stranger.file().display().to_string());
    for flags in [
        &["--upstream-ca", &own, "--upstream-server-name", "api.test"][..],
        &["--upstream-ca", &ca, "--upstream-server-name", "www.test"],
        // The system's authorities do not know it either.
        &["--upstream-server-name", "api.test"],
    ] {
        let recorder = TestRecorder::start(&store, &url, flags);
        assert_eq!(exchange(recorder.addr(), POST).status(), 502, "{flags:?}");
        assert_eq!(failures(&recorder, "tls"), 1, "{flags:?}");
        recorder.drain();
    }
    assert_eq!(origin.begun(), 0);
    assert!(store.exchanges().iter().all(|e| e.ending == Ending::UpstreamError));
}

#[test]
fn an_upstream_that_wants_a_certificate_is_shown_one() {
    let (origin, store, authority) = (Origin::start(), TestStore::sqlite(), Authority::new());
    let identity = authority.issue("upstream", &["127.0.0.1"]);
    let settings = TlsFrontSettings { identity: &identity, alpn: &[], clients_of: Some(&authority) };
    let front = TlsFront::before(origin.addr(), settings);
    let own = authority.issue("recorder", &["recorder.test"]);
    let shown = |path: &std::path::Path| path.display().to_string();
    let (ca, cert, key) = (shown(&authority.file()), shown(&own.cert), shown(&own.key));
    let url = format!("https://{}", front.addr());
    let with = ["--upstream-ca", &ca, "--upstream-cert", &cert, "--upstream-key", &key];
    let recorder = TestRecorder::start(&store, &url, &with);
    assert_eq!(exchange(recorder.addr(), GET).status(), 200);
    recorder.drain();
    assert!(front.handshakes()[0].certified);
    let without = TestRecorder::start(&store, &url, &with[..2]);
    assert_eq!(exchange(without.addr(), GET).status(), 502);
    without.drain();
}

#[test]
fn an_auto_upstream_gets_http2_by_http2_and_http1_by_http1() {
    let (greeter, store) = (Greeter::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &format!("auto://{}", greeter.addr()), &[]);
    get(&mut Http2Client::connect(recorder.addr()), "/two");
    exchange(recorder.addr(), GET);
    let versions: Vec<_> = greeter.calls().iter().map(|c| c.version).collect();
    assert_eq!(versions, [Version::HTTP_2, Version::HTTP_11]);
    recorder.drain();
}

/// A recorder whose upstream is a name with these addresses.
fn by_name(store: &TestStore, dns: &Dns, addresses: &[&str], port: u16, more: &[&str]) -> TestRecorder {
    let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
    dns.say("api.test", DnsAnswer::Addresses(addresses, 1));
    let server = dns.addr().to_string();
    let flags = [&["--dns-server", &server], more].concat();
    TestRecorder::start(store, &format!("http://api.test:{port}"), &flags)
}

/// An origin that says that it closes after each response, so that each request needs a connection.
fn closing() -> Origin {
    Origin::with(|_| Answer::status(200, &[("connection", "close")], "ok").close())
}

#[test]
fn one_of_two_addresses_that_refuses_fails_no_request() {
    let (origin, dns, store) = (closing(), Dns::start(), TestStore::sqlite());
    // Nobody listens at 127.0.0.2.
    let recorder = by_name(&store, &dns, &["127.0.0.2", "127.0.0.1"], origin.addr().port(), &[]);
    let mut client = recorder.client();
    for _ in 0..100 {
        assert_eq!(client.exchange(POST).status(), 200);
    }
    drop(client);
    assert_eq!(recorder.drain().state("recorded"), 100);
    assert_eq!(origin.requests().len(), 100);
}

#[test]
fn an_address_that_swallows_connections_is_passed_over_within_the_connect_timeout() {
    let (origin, dns, store) = (closing(), Dns::start(), TestStore::sqlite());
    let port = origin.addr().port();
    let _hole = BlackHole::at(SocketAddr::new("127.0.0.2".parse().unwrap(), port));
    let recorder = by_name(&store, &dns, &["127.0.0.2", "127.0.0.1"], port, &["--connect-timeout", "5s"]);
    for _ in 0..20 {
        let begin = Instant::now();
        assert_eq!(exchange(recorder.addr(), POST).status(), 200);
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    }
    recorder.drain();
}

#[test]
fn an_upstream_that_swallows_connections_is_a_timeout() {
    let store = TestStore::sqlite();
    let hole = BlackHole::at("127.0.0.2:0".parse().unwrap());
    let url = format!("http://{}", hole.addr());
    let recorder = TestRecorder::start(&store, &url, &["--connect-timeout", "300ms"]);
    assert_eq!(exchange(recorder.addr(), GET).status(), 504);
    assert_eq!(failures(&recorder, "connect_timeout"), 1);
    recorder.drain();
    assert_eq!(store.exchanges()[0].ending, Ending::Timeout);
}

#[test]
fn a_name_that_moves_is_followed_also_by_connections_that_are_kept() {
    let (dns, store) = (Dns::start(), TestStore::sqlite());
    let one = Origin::with(|_| Answer::ok("one"));
    let two = Origin::at(SocketAddr::new("127.0.0.2".parse().unwrap(), one.addr().port()), |_| Answer::ok("two"));
    let recorder = by_name(&store, &dns, &["127.0.0.1"], one.addr().port(), &["--workers", "1"]);
    let mut client = recorder.client();
    assert_eq!(client.exchange(GET).text(), "one");
    dns.point("api.test", &["127.0.0.2"]);
    // Each look uses the connection again, so it never falls idle.
    eventually("the new address", || client.exchange(GET).text() == "two");
    let before = one.begun();
    for _ in 0..10 {
        assert_eq!(client.exchange(GET).text(), "two");
    }
    assert_eq!(one.begun(), before);
    assert_eq!(two.connections(), 1);
    drop(client);
    recorder.drain();
}

#[test]
fn a_name_that_is_unknown_fails_a_request_and_is_named_in_the_log_and_the_metrics() {
    let (dns, store) = (Dns::start(), TestStore::sqlite());
    let recorder = by_name(&store, &dns, &[], 80, &[]);
    assert_eq!(exchange(recorder.addr(), GET).status(), 502);
    assert_eq!(failures(&recorder, "name"), 1);
    recorder.drain();
}

#[test]
fn an_origin_that_closes_kept_connections_fails_no_request() {
    // It says nothing of closing, and does so as soon as it has answered.
    let (origin, store) = (Origin::with(|_| Answer::ok("ok").close()), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &["--workers", "1"]);
    let mut client = recorder.client();
    for n in 1..=200 {
        assert_eq!(client.exchange(POST).status(), 200, "request {n}");
        // What closes while the next request is on its way to it is another matter: nobody can know.
        eventually("the connection's end", || origin.closed() == n);
    }
    drop(client);
    recorder.drain();
    assert_eq!(origin.requests().len(), 200);
}

#[test]
fn a_request_that_left_is_never_sent_twice() {
    let (origin, store) = (
        Origin::with(|head| if head.target() == b"/pay" { Answer::hang_up() } else { Answer::ok("ok") }),
        TestStore::sqlite(),
    );
    let recorder = TestRecorder::start(&store, &origin.url(), &["--workers", "1"]);
    let mut client = recorder.client();
    for _ in 0..20 {
        // On a connection that is kept, where a lost request looks most like one that never left.
        assert_eq!(client.exchange(GET).status(), 200);
        assert_eq!(client.exchange(POST).status(), 502);
    }
    let payments = origin.requests().iter().filter(|r| r.head.target() == b"/pay").count();
    assert_eq!(payments, 20);
    drop(client);
    recorder.drain();
}

#[test]
fn more_streams_than_one_connection_takes_go_by_another() {
    const MOST: usize = 4;
    let (origin, store) = (Http2Origin::holding(4), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &format!("h2c://{}", origin.addr()), &["--workers", "1"]);
    // The upstream's limit is known once its first frame has come.
    origin.answer(1);
    assert_eq!(exchange(recorder.addr(), GET).status(), 200);
    let clients: Vec<_> = (0..3 * MOST)
        .map(|_| {
            let mut client = recorder.client();
            client.send(GET);
            client
        })
        .collect();
    eventually("all requests at the origin", || origin.under_way() == 3 * MOST);
    assert!((3..=4).contains(&origin.connections()), "{} connections", origin.connections());
    origin.answer(3 * MOST);
    for mut client in clients {
        assert_eq!(client.response().status(), 200);
    }
    recorder.drain();
}

#[test]
fn a_connection_that_says_goodbye_is_replaced_and_what_it_has_begun_is_finished() {
    let (origin, store) = (Http2Origin::holding(100), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &format!("h2c://{}", origin.addr()), &["--workers", "1"]);
    let mut slow = recorder.client();
    slow.send(GET);
    eventually("a request under way", || origin.under_way() == 1);
    for round in 1..=20 {
        origin.say_goodbye();
        let mut next = recorder.client();
        next.send(POST);
        eventually("the next request", || origin.under_way() == 2);
        // The semaphore is fair: the slow one came first.
        origin.answer(2);
        assert_eq!(slow.response().status(), 200, "round {round}");
        assert_eq!(next.response().status(), 200, "round {round}");
        slow.send(GET);
        eventually("a request under way", || origin.under_way() == 1);
    }
    origin.answer(1);
    assert_eq!(slow.response().status(), 200);
    assert_eq!(origin.requests().len(), 1 + 2 * 20);
    assert!(origin.connections() > 1);
    drop(slow);
    recorder.drain();
}

#[test]
fn requests_that_wait_for_one_connection_fail_together() {
    let store = TestStore::sqlite();
    let hole = BlackHole::at("127.0.0.2:0".parse().unwrap());
    let url = format!("h2c://{}", hole.addr());
    let limit = Duration::from_secs(1);
    let recorder = TestRecorder::start(&store, &url, &["--connect-timeout", "1s", "--workers", "1"]);
    let begin = Instant::now();
    let clients: Vec<_> = (0..10)
        .map(|_| {
            let mut client = recorder.client();
            client.send(GET);
            client
        })
        .collect();
    for mut client in clients {
        assert_eq!(client.response().status(), 504);
    }
    // One after the other they would have taken ten times the limit.
    assert!(begin.elapsed() < 5 * limit, "{:?}", begin.elapsed());
    recorder.drain();
}

#[test]
fn a_client_that_goes_away_ends_its_request_at_the_upstream_at_once() {
    let (store, held) = (TestStore::sqlite(), Http2Origin::holding(100));
    let recorder = TestRecorder::start(&store, &format!("h2c://{}", held.addr()), &[]);
    let mut client = recorder.client();
    client.send(GET);
    eventually("the request", || held.under_way() == 1);
    client.reset();
    eventually("the stream's end", || held.under_way() == 0);
    recorder.drain();

    // The same through TLS on both sides.
    let (greeter, authority) = (Greeter::start(), Authority::new());
    let https = Https::before(greeter.addr(), &["h2"]);
    let own = authority.issue("recorder", &[SERVICE]);
    let (cert, key) = (own.cert.display().to_string(), own.key.display().to_string());
    let recorder = https.recorder(&store, &["--tls-cert", &cert, "--tls-key", &key]);
    let mut client = GrpcClient::connect_tls(recorder.addr(), SERVICE, &authority);
    client.cancel_after("Ann", 3).unwrap();
    assert_eq!(greeter.wait_for(1)[0].end, Some(CallEnd::Cancelled));
    drop(client);
    recorder.drain();
    assert!(store.exchanges().iter().all(|e| e.ending == Ending::ClientAborted), "{:?}", store.exchanges());
}

#[test]
fn an_upstream_that_resets_ends_the_response_at_once() {
    let (origin, store) = (Http2Origin::start(100), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &format!("auto://{}", origin.addr()), &[]);
    let mut http2 = Http2Client::connect(recorder.addr());
    let request = Request::builder().uri(format!("http://a{RESET}")).body(Default::default()).unwrap();
    let mut body = http2.open(request).into_body();
    assert_eq!(http2.next(&mut body).unwrap().unwrap(), "ok");
    origin.reset();
    // With the origin's own code: to gRPC it says what has happened.
    let broken = http2.next(&mut body).unwrap().unwrap_err();
    assert_eq!(reset_code(&broken), Some(Reason::CANCEL), "{broken:?}");
    // The connection goes on.
    assert_eq!(get(&mut http2, "/").head.status(), 200);
    drop(http2);
    recorder.drain();

    let recorder = TestRecorder::start(&store, &format!("h2c://{}", origin.addr()), &[]);
    let mut http1 = recorder.client();
    http1.send(format!("GET {RESET} HTTP/1.1\r\nhost: a\r\n\r\n"));
    assert_eq!(http1.head().status(), 200);
    assert_eq!(http1.bytes(), b"2\r\nok\r\n");
    origin.reset();
    assert!(http1.is_closed_by_peer());
    drop(http1);
    recorder.drain();
    let endings: Vec<_> = store.exchanges().iter().map(|e| e.ending).collect();
    assert_eq!(endings, [Ending::UpstreamError, Ending::Complete, Ending::UpstreamError]);
}

#[test]
fn an_upstream_that_breaks_off_in_a_body_breaks_it_off_for_the_client() {
    let half = || Answer::unread().read_body().send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").close();
    let (origin, store) = (Origin::with(move |_| half()), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    let mut http1 = recorder.client();
    http1.send(GET);
    assert!(http1.try_response(b"GET").is_err());
    let mut http2 = Http2Client::connect(recorder.addr());
    let request = Request::builder().uri("http://a/").body(Default::default()).unwrap();
    http2.try_exchange(request, Default::default()).unwrap_err();
    drop((http1, http2));
    recorder.drain();
    assert!(store.exchanges().iter().all(|e| e.ending == Ending::UpstreamError));
}

#[test]
fn an_upstream_that_answers_nothing_is_not_trusted_with_the_next_request() {
    let (origin, store) = (Http2Origin::holding(100), TestStore::sqlite());
    let url = format!("h2c://{}", origin.addr());
    let recorder = TestRecorder::start(&store, &url, &["--workers", "1", "--upstream-timeout", "300ms"]);
    assert_eq!(exchange(recorder.addr(), GET).status(), 504);
    origin.answer(2);
    assert_eq!(exchange(recorder.addr(), GET).status(), 200);
    assert_eq!(origin.connections(), 2);
    recorder.drain();
}

#[test]
fn flags_for_tls_without_an_https_upstream_are_refused() {
    let (store, nobody) = (TestStore::sqlite(), Refusing::new());
    let url = format!("h2c://{}", nobody.addr());
    for flag in ["--upstream-ca", "--upstream-cert", "--upstream-key", "--upstream-server-name"] {
        let flags = ["--store", store.url(), "--upstream", &url, flag, "x"];
        assert_refused(recorder(&flags), 2, &[flag, "only an https:// upstream"]);
        let sink = ["--store", store.url(), "--sink", flag, "x"];
        assert_refused(recorder(&sink), 2, &[flag, "only an https:// upstream"]);
    }
}
