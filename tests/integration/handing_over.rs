//! An upgrade in place: the next recorder listens on the same port, the one before drains, and nobody notices.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request};
use umbra_tests::hammer::Hammer;
use umbra_tests::http2::Http2Client;
use umbra_tests::loaders::{Loaded, Wrk, h2load};
use umbra_tests::receiver::Receiver;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::eventually;
use umbra_tests::wire::RawClient;

use crate::running::Running;

const RESTARTS: usize = 20;

/// wrk's connections.
const WRK: u32 = 8;

/// A recorder of the series, on `listen`.
fn next(origin: &Receiver, store: &TestStore, listen: &str) -> Running {
    let upstream = origin.url();
    let flags = ["--listen", listen, "--admin", "127.0.0.1:0", "--workers", "2"];
    Running::start_in(&[], &[&flags[..], &["--store", store.url(), "--upstream", &upstream]].concat())
}

/// Ends a recorder as an upgrade does, and says how many requests it has seen.
fn leave(recorder: Running) -> usize {
    recorder.signal("TERM");
    let finished = recorder.finish().expect(0);
    let (_, rest) = finished.stderr.split_once("drained: seen ").unwrap_or_else(|| panic!("{}", finished.stderr));
    let (seen, ends) = rest.trim().split_once(" = ").unwrap();
    assert!(ends == seen || ends == format!("recorded {seen}"), "each request is recorded: {}", finished.stderr);
    seen.parse().unwrap()
}

/// h2load, again and again until `stopped`; what all of them came to.
fn h2load_until(stopped: &AtomicBool, to: SocketAddr) -> Loaded {
    let mut all = Loaded { answered: 0, failed: 0, said: String::new() };
    while !stopped.load(Ordering::SeqCst) {
        let one = h2load(to, 1000);
        (all.answered, all.failed) = (all.answered + one.answered, all.failed + one.failed);
        if one.failed > 0 {
            all.said.push_str(&one.said);
        }
    }
    all
}

/// Whether the connection had ended, or had said goodbye, before the request was on it.
fn never_left(error: &hyper::Error) -> bool {
    let goodbye = error.source().and_then(|why| why.downcast_ref::<h2::Error>());
    let goodbye = goodbye.is_some_and(|why| why.is_go_away() && why.reason() == Some(h2::Reason::NO_ERROR));
    goodbye || error.is_canceled() || error.is_closed()
}

/// A client that goes on by another connection when one says goodbye; how many calls were answered.
fn calls_until(stopped: &AtomicBool, to: SocketAddr) -> usize {
    let (mut client, mut answered) = (Http2Client::connect(to), 0);
    while !stopped.load(Ordering::SeqCst) {
        let request = Request::post("http://a/call").body(Bytes::from_static(b"hello")).unwrap();
        match client.try_exchange(request, HeaderMap::new()) {
            Ok(response) => {
                assert_eq!(response.head.status(), 200);
                answered += 1;
            }
            Err(error) => {
                assert!(never_left(&error), "a call that had begun failed: {error:?}");
                client = Http2Client::connect(to);
            }
        }
    }
    answered
}

#[test]
fn twenty_restarts_fail_no_request_of_wrk_h2load_or_a_client_that_always_connects_anew() {
    let (origin, store) = (Receiver::start(), TestStore::sqlite());
    let mut recorder = next(&origin, &store, "127.0.0.1:0");
    let (addr, stopped) = (recorder.addr(), AtomicBool::new(false));
    let mut seen = 0;
    let (hammered, called, wrk, h2) = std::thread::scope(|scope| {
        let h2 = scope.spawn(|| h2load_until(&stopped, addr));
        let calls = scope.spawn(|| calls_until(&stopped, addr));
        let (hammer, wrk) = (Hammer::start(addr, 2), Wrk::start(addr, WRK));
        for _ in 0..RESTARTS {
            let before = hammer.answered();
            eventually("traffic", || hammer.answered() > before + 20);
            let successor = next(&origin, &store, &addr.to_string());
            seen += leave(std::mem::replace(&mut recorder, successor));
        }
        stopped.store(true, Ordering::SeqCst);
        (hammer.stop(), calls.join().unwrap(), wrk.stop(), h2.join().unwrap())
    });
    seen += leave(recorder);
    assert_eq!(wrk.failed, 0, "{}", wrk.said);
    assert_eq!(h2.failed, 0, "{}", h2.said);
    let (answered, reached) = (hammered + called + h2.answered + wrk.answered, origin.count());
    // wrk gives up what is under way when it is stopped: that much may be unread, or cancelled before the origin has it.
    assert!(
        (answered..=seen).contains(&reached),
        "{reached} of {seen} have reached the origin, {answered} are answered"
    );
    assert!(seen - answered <= WRK as usize, "{seen} seen; {hammered}, {called}, {h2:?}, {wrk:?} answered");
    assert_eq!(store.exchanges().len(), seen);
}

#[test]
fn what_waits_in_the_queue_of_the_one_that_leaves_is_served() {
    let (origin, store) = (Receiver::start(), TestStore::sqlite());
    let recorder = next(&origin, &store, "127.0.0.1:0");
    let addr = recorder.addr();
    // While it stands still nothing is accepted: these wait in the queues of its two listeners.
    recorder.signal("STOP");
    let mut waiting: Vec<_> = (0..20).map(|_| RawClient::connect(addr)).collect();
    recorder.signal("TERM");
    let successor = next(&origin, &store, &addr.to_string());
    recorder.signal("CONT");
    for client in &mut waiting {
        assert_eq!(client.exchange("GET /waited HTTP/1.1\r\nhost: a\r\n\r\n").status(), 200);
    }
    assert_eq!(recorder.finish().expect(0).stderr.matches("leaving it the port").count(), 1);
    assert_eq!(origin.count(), 20);
    leave(successor);
}

#[test]
fn a_recorder_alone_on_its_port_closes_it_at_once() {
    let (origin, store) = (Receiver::start(), TestStore::sqlite());
    let recorder = next(&origin, &store, "127.0.0.1:0");
    recorder.signal("TERM");
    let finished = recorder.finish().expect(0);
    assert!(!finished.stderr.contains("leaving it the port"), "{}", finished.stderr);
}

#[test]
fn an_http2_client_that_ignores_goodbye_holds_no_drain_past_its_deadline() {
    let (origin, store) = (Receiver::start(), TestStore::sqlite());
    let flags = ["--store", store.url(), "--upstream", &origin.url(), "--drain-timeout", "2s"];
    let recorder = Running::start(&flags);
    // A client that has answered the preface and then reads nothing: no GOAWAY is ever seen, no stream ever ends.
    let mut client = RawClient::connect(recorder.addr());
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    // Its request has begun and its body never comes: HEADERS with :method POST, :scheme http, :path /, :authority a.
    client.send(b"\0\0\x06\x01\x04\0\0\0\x01\x83\x86\x84\x41\x01a");
    let mut other = Http2Client::connect(recorder.addr());
    let request = Request::post("http://a/").body(Bytes::new()).unwrap();
    assert_eq!(other.try_exchange(request, HeaderMap::new()).unwrap().head.status(), 200);
    eventually("the request that never ends", || recorder.status()["ledger"]["seen"] == 2);
    recorder.signal("TERM");
    let finished = recorder.finish().expect(0);
    assert!(finished.stderr.contains("connections are cut"), "{}", finished.stderr);
    assert!(finished.stderr.contains("seen 2 = recorded 2"), "{}", finished.stderr);
}
