//! The recorder's upstream.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use umbra_tests::loaders::h2load;
use umbra_tests::proxies::Proxy;
use umbra_tests::recorder::TestRecorder;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::eventually;

use super::{
    COUNT, TRAILERS, each_once, leaves_after_all, leaves_after_the_first, looks_and_cancels, refuses_all_once, target,
};

/// The most of a body that is kept to be sent again.
const KEPT: usize = 16 << 10;
/// How often a request is sent at most.
const TRIES: usize = 4;

fn recorder(store: &TestStore, upstream: SocketAddr) -> TestRecorder {
    TestRecorder::start(store, &format!("h2c://{upstream}"), &["--workers", "1"])
}

fn sent_again(recorder: &TestRecorder) -> u64 {
    recorder.metric("umbra_recorder_upstream_sent_again_total")
}

fn post(body: &str) -> String {
    format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// What clients and the store got.
struct Passed {
    statuses: Vec<u16>,
    sent_again: u64,
    /// The bodies of what was recorded, sorted.
    recorded: Vec<String>,
}

/// Sends these requests at once.
fn pass(upstream: SocketAddr, requests: impl IntoIterator<Item = String>) -> Passed {
    let store = TestStore::sqlite();
    let recorder = recorder(&store, upstream);
    let mut clients: Vec<_> = requests
        .into_iter()
        .map(|request| {
            let mut client = recorder.client();
            client.send(request);
            client
        })
        .collect();
    let statuses = clients.iter_mut().map(|client| client.response().status()).collect();
    let sent_again = sent_again(&recorder);
    drop(clients);
    recorder.drain();
    let mut recorded: Vec<_> =
        store.exchanges().iter().map(|e| String::from_utf8_lossy(&e.request.body.bytes).into_owned()).collect();
    recorded.sort();
    Passed { statuses, sent_again, recorded }
}

fn numbers() -> Vec<String> {
    (0..COUNT).map(|n| n.to_string()).collect()
}

fn pass_numbered(upstream: SocketAddr) -> Passed {
    let passed = pass(upstream, numbers().iter().map(|n| post(n)));
    assert_eq!(passed.recorded, numbers(), "each once, whatever became of it");
    passed
}

#[test]
fn what_lies_beyond_a_goodbye_is_sent_again_and_recorded_once() {
    let (address, looked_at) = leaves_after_the_first();
    let passed = pass_numbered(address);
    assert_eq!((passed.statuses, passed.sent_again), (vec![200; COUNT], COUNT as u64 - 1));
    each_once(&looked_at);
}

#[test]
fn what_a_goodbye_may_have_looked_at_is_not_sent_again() {
    let (address, looked_at) = leaves_after_all();
    let passed = pass_numbered(address);
    assert_eq!((passed.statuses, passed.sent_again), (vec![502; COUNT], 0));
    each_once(&looked_at);
}

#[test]
fn a_refused_stream_is_sent_again_with_its_body_and_its_trailers() {
    let chunked = |n: &String| {
        format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{n}\r\n0\r\nx-end: {n}\r\n\r\n")
    };
    let (address, looked_at) = refuses_all_once();
    let passed = pass(address, numbers().iter().map(chunked));
    assert_eq!((passed.statuses, passed.sent_again), (vec![200; COUNT], COUNT as u64));
    assert_eq!(passed.recorded, numbers());
    let mut bodies = looked_at.lock().unwrap().clone();
    bodies.sort();
    assert_eq!(bodies, numbers().iter().map(|n| format!("{n}{TRAILERS}")).collect::<Vec<_>>());
}

#[test]
fn a_request_without_a_body_is_sent_again() {
    let (address, looked_at) = refuses_all_once();
    let passed = pass(address, (0..COUNT).map(|_| "GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned()));
    assert_eq!((passed.statuses, passed.sent_again), (vec![200; COUNT], COUNT as u64));
    assert_eq!(*looked_at.lock().unwrap(), [""; COUNT]);
}

#[test]
fn a_stream_that_is_reset_otherwise_is_not_sent_again() {
    let (address, looked_at) = looks_and_cancels();
    let passed = pass_numbered(address);
    assert_eq!((passed.statuses, passed.sent_again), (vec![502; COUNT], 0));
    each_once(&looked_at);
}

#[test]
fn an_upstream_that_looks_at_nothing_ever_is_asked_four_times_for_each() {
    let asked = Arc::new(AtomicUsize::new(0));
    let asking = Arc::clone(&asked);
    let (address, _) = target(move |_, connection| {
        loop {
            let (stream, _) = connection.request()?;
            asking.fetch_add(1, Ordering::SeqCst);
            connection.refuse(stream)?;
        }
    });
    let passed = pass_numbered(address);
    assert_eq!((passed.statuses, passed.sent_again), (vec![502; COUNT], (COUNT * (TRIES - 1)) as u64));
    assert_eq!(asked.load(Ordering::SeqCst), COUNT * TRIES);
}

#[test]
fn a_body_is_sent_again_as_far_as_it_is_kept() {
    for (length, status) in [(KEPT, 200), (KEPT + 1, 502)] {
        let (address, looked_at) = target(|_, connection| {
            let (stream, _) = connection.request()?;
            connection.refuse(stream)?;
            connection.answer_all()
        });
        let body = "x".repeat(length);
        let passed = pass(address, [post(&body)]);
        assert_eq!((passed.statuses, passed.sent_again), (vec![status], u64::from(status == 200)), "{length}");
        assert_eq!(*looked_at.lock().unwrap(), vec![body.clone(); usize::from(status == 200)]);
        assert_eq!(passed.recorded, [body]);
    }
}

#[test]
fn what_comes_of_a_body_after_it_was_refused_goes_by_the_next_attempt() {
    let (address, looked_at) = target(|_, connection| {
        let stream = connection.body_of()?;
        connection.refuse(stream)?;
        connection.answer_all()
    });
    let store = TestStore::sqlite();
    let recorder = recorder(&store, address);
    let mut client = recorder.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nfir");
    eventually("a second attempt", || sent_again(&recorder) == 1);
    client.send("st!");
    assert_eq!(client.response().status(), 200);
    assert_eq!(*looked_at.lock().unwrap(), ["first!"]);
    drop(client);
    recorder.drain();
    assert_eq!(&store.exchanges()[0].request.body.bytes[..], b"first!");
}

#[test]
fn nginx_that_ends_a_connection_after_some_requests_loses_none() {
    const REQUESTS: u32 = 3000;
    let nginx = Proxy::nginx_that_ends_connections_after(100);
    let store = TestStore::sqlite();
    let recorder = recorder(&store, nginx.addr());
    let loaded = h2load(recorder.addr(), REQUESTS);
    assert_eq!((loaded.answered, loaded.failed), (REQUESTS as usize, 0), "{}", loaded.said);
    assert!(sent_again(&recorder) > 0, "connections ended with nothing on its way to them");
    recorder.drain();
    assert_eq!(store.exchanges().len(), REQUESTS as usize);
}
