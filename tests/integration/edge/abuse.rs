//! HTTP/2 as a weapon: floods, bombs and windows. The connection is ended, memory and the origin are spared, and others are
//! served meanwhile.

use umbra_tests::frames::{END_HEADERS, END_STREAM, FrameClient, block, frame, get, kind, settings, text};
use umbra_tests::origin::{Answer, Origin};
use umbra_tests::stores::TestStore;
use umbra_tests::wait::eventually;
use umbra_tests::wire::RawClient;

use crate::running::Running;

const WHOLE: u8 = END_HEADERS | END_STREAM;

/// What an attack may cost the process, its allocator's slack included.
const MOST_MEMORY: u64 = 48 << 20;

/// Requests of the client that is to be served while an attack goes on.
const BYSTANDER: usize = 20;

/// An attack: frames that are sent again and again until the connection is ended, but not more often than `most`.
struct Attack<'a> {
    frames: &'a (dyn Fn(u32) -> Vec<u8> + Sync),
    most: u32,
}

/// The process's memory in bytes: resident, and its peak.
fn memory(recorder: &mut Running) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", recorder.program().pid())).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
    };
    (field("VmRSS:"), field("VmHWM:"))
}

fn start(store: &TestStore, origin: &Origin, more: &[&str]) -> Running {
    Running::start(&[&["--store", store.url(), "--upstream", &origin.url(), "--workers", "1"], more].concat())
}

fn metric(recorder: &Running, name: &str) -> u64 {
    let metrics = recorder.admin("/metrics").text();
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in:\n{metrics}"))
}

/// Attacks, and sees that the connection is ended for one of these reasons, that memory stays, that at most `reaching`
/// requests reach the origin, and that another client of the same worker is served while it goes on.
fn is_held_off(attack: &Attack<'_>, counted: &[&str], reaching: usize) {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let mut recorder = start(&store, &origin, &[]);
    let mut bystander = RawClient::connect(recorder.addr());
    let request = "GET /bystander HTTP/1.1\r\nhost: a\r\n\r\n";
    assert_eq!(bystander.exchange(request).status(), 200);
    let (before, _) = memory(&mut recorder);
    let mut attacker = FrameClient::connect(recorder.addr());
    let mut hand = attacker.another_hand();
    std::thread::scope(|scope| {
        // What comes back is read, so that the recorder is not held up by its own answers.
        let read = scope.spawn(move || hand.rest().iter().filter(|f| f.kind == kind::GOAWAY).count());
        let sent = scope.spawn(move || {
            let sent = (0..attack.most).take_while(|n| attacker.send((attack.frames)(*n))).count();
            attacker.finish_sending();
            sent
        });
        for _ in 0..BYSTANDER {
            assert_eq!(bystander.exchange(request).status(), 200);
        }
        sent.join().unwrap();
        assert!(read.join().unwrap() <= 2);
    });
    let ended = || counted.iter().map(|name| metric(&recorder, name)).sum::<u64>();
    eventually("the end of the connection to be counted", || ended() >= 1);
    assert_eq!(bystander.exchange(request).status(), 200);
    let reached = origin.begun() - BYSTANDER - 2;
    assert!(reached <= reaching, "{reached} requests reached the origin");
    let (_, peak) = memory(&mut recorder);
    assert!(peak - before < MOST_MEMORY, "{} MiB more", (peak - before) >> 20);
    drop(bystander);
    recorder.signal("TERM");
    recorder.finish().expect(0);
}

const FLOOD: &str = "umbra_recorder_connections_ended_total{reason=\"flood\"}";
const RESETS: &str = "umbra_recorder_connections_ended_total{reason=\"resets\"}";
const BLOCK: &str = "umbra_recorder_connections_ended_total{reason=\"head_too_large\"}";
const CALM: &str = "umbra_recorder_http2_connection_errors_total{code=\"enhance_your_calm\"}";

fn request(stream: u32) -> Vec<u8> {
    frame(kind::HEADERS, WHOLE, stream, &block(&get("/attack", &[])))
}

fn reset(stream: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, stream, &8u32.to_be_bytes())
}

#[test]
fn rapid_reset() {
    let frames = |n: u32| [request(2 * n + 1), reset(2 * n + 1)].concat();
    is_held_off(&Attack { frames: &frames, most: 20_000 }, &[RESETS, CALM], 1000);
}

#[test]
fn rapid_reset_of_streams_that_have_been_seen() {
    // The reset of each stream comes behind the next one's request.
    let frames = |n: u32| if n == 0 { request(1) } else { [request(2 * n + 1), reset(2 * n - 1)].concat() };
    is_held_off(&Attack { frames: &frames, most: 20_000 }, &[RESETS, CALM], 1000);
}

#[test]
fn a_flood_of_settings() {
    is_held_off(&Attack { frames: &|_| settings(&[(4, 65_535)]).repeat(100), most: 500 }, &[FLOOD], 0);
}

#[test]
fn a_flood_of_pings() {
    is_held_off(&Attack { frames: &|_| frame(kind::PING, 0, 0, &[7; 8]).repeat(100), most: 500 }, &[FLOOD], 0);
}

#[test]
fn a_flood_of_priorities() {
    let frames = |n: u32| frame(kind::PRIORITY, 0, 2 * n + 1, &[0, 0, 0, 0, 9]).repeat(100);
    is_held_off(&Attack { frames: &frames, most: 500 }, &[FLOOD], 0);
}

#[test]
fn a_flood_of_window_updates() {
    let frames = |_| frame(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]).repeat(100);
    is_held_off(&Attack { frames: &frames, most: 500 }, &[FLOOD], 0);
}

#[test]
fn a_flood_of_frames_that_nobody_knows() {
    is_held_off(&Attack { frames: &|_| frame(77, 0, 0, b"?").repeat(100), most: 500 }, &[FLOOD], 0);
}

#[test]
fn a_flood_of_empty_data() {
    let frames = |n: u32| match n {
        0 => frame(kind::HEADERS, END_HEADERS, 1, &block(&[&[(":method", "POST")], &get("/", &[])[1..]].concat())),
        _ => frame(kind::DATA, 0, 1, b"").repeat(100),
    };
    is_held_off(&Attack { frames: &frames, most: 500 }, &[FLOOD, CALM], 1);
}

#[test]
fn a_flood_of_continuations() {
    let frames = |n: u32| match n {
        0 => frame(kind::HEADERS, 0, 1, &block(&get("/", &[]))),
        _ => frame(kind::CONTINUATION, 0, 1, &block(&[("x", "y")])).repeat(10),
    };
    is_held_off(&Attack { frames: &frames, most: 5000 }, &[BLOCK, CALM], 0);
}

/// A request with a field of 4,000 bytes that is remembered, and then named again and again, by one byte each time.
fn bomb(stream: u32, times: usize) -> Vec<u8> {
    let mut fields = block(&get("/", &[]));
    fields.push(0x40);
    text(&mut fields, b"x");
    text(&mut fields, &[b'v'; 4000]);
    fields.extend(vec![0xbe; times]);
    frame(kind::HEADERS, WHOLE, stream, &fields)
}

#[test]
fn a_bomb_of_indexed_fields() {
    // 48 MB each.
    is_held_off(&Attack { frames: &|n| bomb(2 * n + 1, 12_000), most: 200 }, &[CALM], 0);
}

#[test]
fn bombs_that_are_refused_one_by_one() {
    const STREAMS: u32 = 200;
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let mut recorder = start(&store, &origin, &[]);
    let (before, _) = memory(&mut recorder);
    let mut attacker = FrameClient::connect(recorder.addr());
    // Somewhat over the limit, 200 KB each.
    for n in 0..STREAMS {
        attacker.send(bomb(2 * n + 1, 50));
        assert_eq!(attacker.outcome().stream, 2 * n + 1);
    }
    let refused = "umbra_recorder_refused_total{reason=\"head_too_large\"}";
    // Counted by what goes out, a moment after it has.
    eventually("each to be counted", || metric(&recorder, refused) == u64::from(STREAMS));
    let (_, peak) = memory(&mut recorder);
    assert!(peak - before < MOST_MEMORY, "{} MiB more", (peak - before) >> 20);
    assert_eq!(origin.begun(), 0);
    drop(attacker);
    recorder.signal("TERM");
    recorder.finish().expect(0);
}

#[test]
fn windows_that_are_never_opened() {
    const STREAMS: u32 = 100;
    let origin = Origin::with(|_| Answer::ok(vec![b'x'; 4 << 20]));
    let store = TestStore::sqlite();
    let mut recorder = start(&store, &origin, &["--body-timeout", "1s", "--responses", "off"]);
    let request_of_one = "HEAD / HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut bystander = RawClient::connect(recorder.addr());
    assert_eq!(bystander.exchange(request_of_one).status(), 200);
    let (before, _) = memory(&mut recorder);
    let mut attacker = FrameClient::with_settings(recorder.addr(), &[(4, 0)]);
    (0..STREAMS).for_each(|n| attacker.get(2 * n + 1, "/"));
    eventually("the responses to have begun", || origin.begun() > STREAMS as usize);
    assert_eq!(bystander.exchange(request_of_one).status(), 200);
    let ended = "umbra_recorder_connections_ended_total{reason=\"slow_reader\"}";
    let mut count = 0;
    eventually("every stream to be ended", || {
        count = metric(&recorder, ended);
        count >= u64::from(STREAMS)
    });
    let (_, peak) = memory(&mut recorder);
    assert!(peak - before < 2 * MOST_MEMORY, "{} MiB more", (peak - before) >> 20);
    drop((attacker, bystander));
    recorder.signal("TERM");
    recorder.finish().expect(0);
}
