//! SIGTERM under load: no request fails, every record is kept or counted, the exit status is 0.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request};
use umbra_tests::http2::Http2Client;
use umbra_tests::origin::{Answer, Origin};
use umbra_tests::receiver::Receiver;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::{Gate, eventually};
use umbra_tests::wire::RawClient;

use crate::both_stores::on_both_stores;
use crate::running::Running;

/// A client that sends one request after the other until the connection is to be closed; how many were answered.
fn load(mut client: RawClient, answered: &AtomicUsize) {
    loop {
        let response = client.exchange("POST /load HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello");
        assert_eq!(response.status(), 200);
        answered.fetch_add(1, Ordering::SeqCst);
        if response.head.get("connection").eq_ignore_ascii_case("close") {
            assert!(client.is_closed_by_peer());
            return;
        }
    }
}

on_both_stores! {
    fn a_drain_under_load_fails_no_request_and_loses_no_record(store: &TestStore) {
        let origin = Origin::start();
        let recorder = Running::start(&["--store", store.url(), "--upstream", &origin.url()]);
        let answered = AtomicUsize::new(0);
        let finished = std::thread::scope(|scope| {
            for _ in 0..8 {
                let client = RawClient::connect(recorder.addr());
                scope.spawn(|| load(client, &answered));
            }
            eventually("traffic", || answered.load(Ordering::SeqCst) > 500);
            recorder.signal("TERM");
            recorder.finish()
        });
        let finished = finished.expect(0);
        let answered = answered.into_inner();
        assert_eq!(origin.requests().len(), answered, "each request that reached the origin was answered");
        let sum = format!("seen {answered} = recorded {answered}");
        assert!(finished.stderr.contains(&sum), "'{sum}' is missing in: {}", finished.stderr);
        assert_eq!(store.exchanges().len(), answered);
    }
}

/// A client that calls until the recorder says goodbye; a call that was taken must be answered.
fn call(mut client: Http2Client, answered: &AtomicUsize) {
    loop {
        let request = Request::post("http://a/load").body(Bytes::from_static(b"hello")).unwrap();
        match client.try_exchange(request, HeaderMap::new()) {
            Ok(response) => assert_eq!(response.head.status(), 200),
            Err(error) => {
                assert!(error.is_canceled() || error.is_closed(), "a request that had begun failed: {error:?}");
                return;
            }
        }
        answered.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_drain_says_goodbye_to_http2_and_fails_no_call() {
    let (origin, store) = (Receiver::start(), TestStore::sqlite());
    let recorder = Running::start(&["--store", store.url(), "--upstream", &origin.url()]);
    let answered = AtomicUsize::new(0);
    let finished = std::thread::scope(|scope| {
        for _ in 0..4 {
            let client = Http2Client::connect(recorder.addr());
            scope.spawn(|| call(client, &answered));
        }
        eventually("traffic", || answered.load(Ordering::SeqCst) > 300);
        recorder.signal("TERM");
        recorder.finish()
    });
    let finished = finished.expect(0);
    let answered = answered.into_inner();
    assert_eq!(origin.count(), answered, "each request that reached the origin was answered");
    assert!(finished.stderr.contains(&format!("seen {answered} = recorded {answered}")), "{}", finished.stderr);
}

#[test]
fn a_request_under_way_is_finished_and_new_connections_are_not_taken() {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let origin = Origin::with(move |_| Answer::unread().read_body().wait(&held).then(Answer::ok("late")));
    let store = TestStore::sqlite();
    let recorder = Running::start(&["--store", store.url(), "--upstream", &origin.url()]);
    let mut client = RawClient::connect(recorder.addr());
    client.send("GET /under-way HTTP/1.1\r\nhost: a\r\n\r\n");
    eventually("the request at the origin", || origin.begun() == 1);
    recorder.signal("TERM");
    eventually("no new connections", || std::net::TcpStream::connect(recorder.addr()).is_err());
    assert_eq!(recorder.admin("/readyz").status(), 503, "a drain makes it unready");
    assert_eq!(recorder.admin("/livez").status(), 200);
    gate.open();
    let response = client.response();
    assert_eq!(response.text(), "late");
    recorder.finish().expect(0);
    assert_eq!(store.exchanges().len(), 1);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let origin = Origin::with(move |_| Answer::unread().read_body().wait(&held).then(Answer::ok("late")));
    let store = TestStore::sqlite();
    let recorder = Running::start(&["--store", store.url(), "--upstream", &origin.url()]);
    let mut client = RawClient::connect(recorder.addr());
    client.send("GET /never HTTP/1.1\r\nhost: a\r\n\r\n");
    eventually("the request at the origin", || origin.begun() == 1);
    recorder.signal("TERM");
    eventually("the drain to begin", || std::net::TcpStream::connect(recorder.addr()).is_err());
    recorder.signal("TERM");
    let finished = recorder.finish();
    assert_ne!(finished.status, Some(0), "requests were given up: {finished:?}");
    gate.open();
}
