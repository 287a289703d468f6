//! No HTTP/1 client holds a connection for ever, unless something passes.

use std::sync::Arc;

use umbra_tests::chaos::{Chaos, Mode};
use umbra_tests::origin::{Answer, Origin};
use umbra_tests::recorder::TestRecorder;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::{Gate, eventually};
use umbra_tests::wire::RawClient;

use super::{GET, counted, ended, refused};

/// More than the buffers of any socket.
const LARGE: usize = 32 << 20;

#[test]
fn a_head_has_so_much_time_however_often_a_byte_comes() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &["--header-timeout", "500ms"]);
    // Two bytes a hundredth of a second: the head would take minutes.
    let slow = Chaos::before(recorder.addr());
    slow.set(Mode::Throttle(200));
    let mut dribbling = RawClient::connect(slow.addr());
    dribbling.send(format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(20 << 10)));
    let mut silent = recorder.client();
    silent.send("GET / HTTP/1.1\r\nhost");
    for client in [&mut dribbling, &mut silent] {
        let response = client.response();
        assert_eq!((response.status(), response.text().as_str()), (408, "umbra-recorder: slow_head\n"));
        assert!(client.is_closed_by_peer());
    }
    counted(&recorder, &refused("slow_head"), 2);
    assert_eq!(origin.begun(), 0);
    assert_eq!(recorder.drain().to_string(), "seen 2 = skipped{refused} 2");
}

#[test]
fn a_connection_without_a_first_byte_is_closed() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &["--header-timeout", "300ms"]);
    let mut clients = [recorder.client(), recorder.client()];
    // What might become HTTP/2's preface is no exception.
    clients[1].send("PRI * HT");
    for client in &mut clients {
        assert!(client.is_closed_by_peer());
    }
    counted(&recorder, &ended("idle"), 2);
    recorder.drain();
}

#[test]
fn a_connection_is_kept_for_so_long_without_a_request() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &["--idle-timeout", "300ms"]);
    let mut client = recorder.client();
    assert_eq!(client.exchange(GET).status(), 200);
    assert!(client.is_closed_by_peer());
    counted(&recorder, &ended("idle"), 1);
    assert_eq!(recorder.drain().to_string(), "seen 1 = recorded 1");
}

#[test]
fn a_body_that_stops_is_not_waited_for() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &["--body-timeout", "300ms"]);
    for (framing, some) in [("content-length: 9", "abc"), ("transfer-encoding: chunked", "3\r\nabc\r\n3\r\na")] {
        let mut client = recorder.client();
        client.send(format!("POST / HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n{some}"));
        let response = client.response();
        assert_eq!((response.status(), response.text().as_str()), (408, "umbra-recorder: slow_body\n"), "{framing}");
        assert!(client.is_closed_by_peer(), "{framing}");
    }
    counted(&recorder, &refused("slow_body"), 2);
    eventually("the origin's side to be ended too", || origin.requests().len() == 2);
    assert_eq!(origin.bodies_read(), 0);
    assert_eq!(recorder.drain().to_string(), "seen 2 = recorded 2");
}

#[test]
fn a_body_that_goes_on_may_take_longer_than_the_limit() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let flags = ["--body-timeout", "300ms", "--stream-timeout", "300ms", "--header-timeout", "20s"];
    let recorder = TestRecorder::start(&store, &origin.url(), &flags);
    let slow = Chaos::before(recorder.addr());
    // A byte a hundredth of a second: the body alone takes more than a second.
    slow.set(Mode::Throttle(100));
    let mut client = RawClient::connect(slow.addr());
    client.send(format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 150\r\n\r\n{}", "x".repeat(150)));
    origin.wait_for(1);
    slow.set(Mode::Pass);
    assert_eq!(client.response().status(), 200);
    drop(client);
    assert_eq!(recorder.drain().to_string(), "seen 1 = recorded 1");
}

#[test]
fn a_client_that_never_reads_its_response_is_let_go() {
    let store = TestStore::sqlite();
    let origin = Origin::with(|_| Answer::ok(vec![b'x'; LARGE]));
    let recorder = TestRecorder::start(&store, &origin.url(), &["--body-timeout", "300ms"]);
    let mut client = recorder.client();
    client.send(GET);
    counted(&recorder, &ended("slow_reader"), 1);
    assert!(client.try_response(b"GET").is_err(), "the whole response came");
    eventually("the origin to be let go too", || origin.requests().len() == 1);
    assert_eq!(recorder.drain().to_string(), "seen 1 = recorded 1");
}

#[test]
fn an_exchange_in_which_nothing_passes_is_ended_and_one_that_waits_for_its_response_is_not() {
    let store = TestStore::sqlite();
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let origin = Origin::with(move |head| match head.target() {
        b"/begun" => Answer::unread().send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").wait(&held),
        _ => Answer::unread().wait(&held).then(Answer::ok("late")),
    });
    let recorder =
        TestRecorder::start(&store, &origin.url(), &["--stream-timeout", "300ms", "--body-timeout", "300ms"]);
    let mut waiting = recorder.client();
    waiting.send("GET /waiting HTTP/1.1\r\nhost: a\r\n\r\n");
    eventually("the first request at the origin", || origin.begun() == 1);
    let mut begun = recorder.client();
    begun.send("GET /begun HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(begun.head().status(), 200);
    counted(&recorder, &ended("silent"), 1);
    assert!(begun.bytes() == b"abc" && begun.is_closed_by_peer());
    // It was there before the other, and has waited for longer.
    gate.open();
    assert_eq!(waiting.response().text(), "late");
    drop(waiting);
    assert_eq!(recorder.drain().to_string(), "seen 2 = recorded 2");
}
