//! No HTTP/2 client holds a connection, or a stream of one, for ever, unless something passes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use umbra_tests::frames::{END_HEADERS, Frame, FrameClient, block, frame, get, kind};
use umbra_tests::origin::{Answer, Origin};
use umbra_tests::recorder::TestRecorder;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::Gate;

use super::{counted, ended, refused};

const INITIAL_WINDOW_SIZE: u16 = 4;
const LARGEST_WINDOW: u32 = (1 << 31) - 1;
const ENHANCE_YOUR_CALM: u32 = 11;
const CANCEL: u32 = 8;

/// The first field of a POST without its end.
fn post(stream: u32) -> Vec<u8> {
    let fields = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    frame(kind::HEADERS, END_HEADERS, stream, &block(&fields))
}

fn on_stream(client: &mut FrameClient, stream: u32) -> Frame {
    loop {
        let frame = client.outcome();
        if frame.stream == stream {
            return frame;
        }
    }
}

#[test]
fn a_connection_is_kept_for_so_long_without_a_request_and_a_ping_is_none() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &["--idle-timeout", "500ms"]);
    let mut used = FrameClient::connect(recorder.addr());
    used.get(1, "/");
    assert_eq!(used.until(kind::HEADERS).status(), 200);
    let mut unused = FrameClient::connect(recorder.addr());
    loop {
        // One in a fiftieth of a second is no flood.
        if unused.is_quiet_for(Duration::from_millis(20)) {
            unused.send(frame(kind::PING, 0, 0, &[0; 8]));
        } else if unused.receive().is_none_or(|frame| frame.kind == kind::GOAWAY) {
            break;
        }
    }
    assert_eq!(used.until(kind::GOAWAY).error(), 0);
    assert!(used.rest().iter().all(|frame| frame.kind != kind::RST_STREAM));
    unused.rest();
    counted(&recorder, &ended("idle"), 2);
    assert_eq!(recorder.drain().to_string(), "seen 1 = recorded 1");
}

#[test]
fn a_body_that_stops_ends_its_stream_and_no_other() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &["--body-timeout", "300ms"]);
    let mut client = FrameClient::connect(recorder.addr());
    client.send(post(1));
    client.send(frame(kind::DATA, 0, 1, b"abc"));
    assert_eq!(on_stream(&mut client, 1).status(), 408);
    counted(&recorder, &refused("slow_body"), 1);
    client.get(3, "/");
    assert_eq!(on_stream(&mut client, 3).kind, kind::HEADERS);
    assert_eq!(origin.bodies_read(), 1);
    drop(client);
    assert_eq!(recorder.drain().to_string(), "seen 2 = recorded 2");
}

#[test]
fn a_header_block_that_does_not_end_ends_the_connection() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &["--header-timeout", "300ms"]);
    let mut silent = FrameClient::connect(recorder.addr());
    silent.send(frame(kind::HEADERS, 0, 1, &block(&get("/", &[]))));
    let mut dribbling = FrameClient::connect(recorder.addr());
    dribbling.send(frame(kind::HEADERS, 0, 1, &block(&get("/", &[]))));
    while dribbling.is_quiet_for(Duration::from_millis(20)) {
        dribbling.send(frame(kind::CONTINUATION, 0, 1, &block(&[("x", "y")])));
    }
    for client in [&mut silent, &mut dribbling] {
        assert_eq!(client.until(kind::GOAWAY).error(), ENHANCE_YOUR_CALM);
        assert_eq!(client.rest(), []);
    }
    counted(&recorder, &ended("slow_head"), 2);
    assert_eq!(origin.begun(), 0);
    recorder.drain();
}

#[test]
fn a_response_that_is_not_taken_ends_its_stream_however_small_the_window() {
    let store = TestStore::sqlite();
    let origin = Origin::with(|_| Answer::ok(vec![b'x'; 1 << 20]));
    let recorder = TestRecorder::start(&store, &origin.url(), &["--body-timeout", "300ms"]);
    for window in [0, 1] {
        let mut client = FrameClient::with_settings(recorder.addr(), &[(INITIAL_WINDOW_SIZE, window)]);
        client.get(1, "/");
        assert_eq!(client.until(kind::HEADERS).status(), 200);
        let reset = client.until(kind::RST_STREAM);
        assert_eq!((reset.stream, reset.error()), (1, CANCEL), "a window of {window}");
        counted(&recorder, &ended("slow_reader"), u64::from(window) + 1);
    }
    assert_eq!(recorder.drain().to_string(), "seen 2 = recorded 2");
}

#[test]
fn a_window_that_grows_byte_by_byte_does_not_hold_a_stream() {
    let store = TestStore::sqlite();
    let origin = Origin::with(|_| Answer::ok(vec![b'x'; 1 << 20]));
    let recorder = TestRecorder::start(&store, &origin.url(), &["--body-timeout", "500ms"]);
    let mut client = FrameClient::with_settings(recorder.addr(), &[(INITIAL_WINDOW_SIZE, 0)]);
    client.get(1, "/");
    loop {
        // Fifty bytes a second at most.
        if client.is_quiet_for(Duration::from_millis(20)) {
            client.send(frame(kind::WINDOW_UPDATE, 0, 1, &1u32.to_be_bytes()));
            continue;
        }
        let Some(frame) = client.receive() else { panic!("closed") };
        if frame.kind == kind::RST_STREAM {
            break;
        }
    }
    counted(&recorder, &ended("slow_reader"), 1);
    recorder.drain();
}

#[test]
fn a_client_that_reads_nothing_at_all_is_let_go() {
    let store = TestStore::sqlite();
    let origin = Origin::with(|_| Answer::ok(vec![b'x'; 32 << 20]));
    let recorder = TestRecorder::start(&store, &origin.url(), &["--body-timeout", "300ms"]);
    let mut client = FrameClient::with_settings(recorder.addr(), &[(INITIAL_WINDOW_SIZE, LARGEST_WINDOW)]);
    client.send(frame(kind::WINDOW_UPDATE, 0, 0, &(LARGEST_WINDOW - 65_535).to_be_bytes()));
    client.get(1, "/");
    counted(&recorder, &ended("slow_reader"), 1);
    assert!(client.rest().iter().map(|frame| frame.payload.len()).sum::<usize>() < 32 << 20);
    assert_eq!(recorder.drain().to_string(), "seen 1 = recorded 1");
}

#[test]
fn a_stream_in_which_nothing_passes_is_ended() {
    let store = TestStore::sqlite();
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let origin =
        Origin::with(move |_| Answer::unread().send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").wait(&held));
    let recorder = TestRecorder::start(&store, &origin.url(), &["--stream-timeout", "300ms"]);
    let mut client = FrameClient::connect(recorder.addr());
    client.get(1, "/");
    assert_eq!(client.until(kind::DATA).payload, b"abc");
    assert_eq!(client.until(kind::RST_STREAM).stream, 1);
    counted(&recorder, &ended("silent"), 1);
    gate.open();
    drop(client);
    assert_eq!(recorder.drain().to_string(), "seen 1 = recorded 1");
}

#[test]
fn a_client_that_ignores_goaway_does_not_hold_a_drain() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &["--drain-timeout", "1s"]);
    let mut client = FrameClient::connect(recorder.addr());
    client.send(post(1));
    recorder.until("the request to be seen", |ledger| ledger.seen == 1);
    let hand = client.another_hand();
    // It opens streams for as long as it can, and ends none.
    let ignoring = std::thread::spawn(move || {
        (1..5000).all(|n| client.send(post(2 * n + 1)) && !client.is_quiet_for(Duration::ZERO))
    });
    let started = Instant::now();
    let ledger = recorder.drain();
    assert!(started.elapsed() < Duration::from_secs(10), "the drain took {:?}", started.elapsed());
    assert!(ledger.seen >= 1);
    drop(hand);
    let _ = ignoring.join();
}
