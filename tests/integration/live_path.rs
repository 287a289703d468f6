//! The live path never waits for the store: a store that is dead, silent or locked costs records, never requests.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use umbra_common::courtesy::take_short_turns;
use umbra_common::store::StoreState;
use umbra_tests::chaos::Mode;
use umbra_tests::origin::{Answer, Origin};
use umbra_tests::ports::Refusing;
use umbra_tests::recorder::TestRecorder;
use umbra_tests::replayer::replay;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::{Gate, eventually, eventually_some};
use umbra_tests::wire::{RawClient, RawResponse};

use crate::running::Running;

/// Sends so many requests, each of which must be answered by the origin.
fn requests(client: &mut RawClient, count: usize) {
    for i in 0..count {
        let response = client.exchange(format!("POST /{i} HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody"));
        assert_eq!((response.status(), response.text().as_str()), (200, "ok"), "request {i}");
    }
}

/// Gives up on what a dead store still holds after this.
const SOON: [&str; 2] = ["--drain-timeout", "1s"];

#[test]
fn a_dead_store_fails_no_request() {
    let (origin, nobody) = (Origin::start(), Refusing::new());
    let store = format!("kafka://{}/traffic", nobody.addr());
    let url = origin.url();
    let recorder = TestRecorder::with(&[&["--store", &store, "--upstream", &url], &SOON[..]].concat());
    requests(&mut recorder.client(), 300);
    assert_eq!(recorder.admin("/readyz").status(), 200, "a dead store does not make it unready");
    eventually("the store to be seen down", || recorder.store_state() == StoreState::Down);
    let ledger = recorder.drain();
    assert_eq!((ledger.seen, ledger.state("dropped")), (300, 300), "{ledger}");
    assert_eq!(origin.requests().len(), 300);
}

#[test]
fn a_sqlite_file_locked_for_a_moment_fails_no_request_and_loses_no_record() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    let mut client = recorder.client();
    requests(&mut client, 10);
    recorder.until("the first records", |l| l.state("recorded") == 10);
    let lock = rusqlite::Connection::open(store.directory().join("traffic.db")).unwrap();
    lock.execute_batch("begin immediate").unwrap();
    requests(&mut client, 100);
    lock.execute_batch("rollback").unwrap();
    drop(lock);
    requests(&mut client, 10);
    drop(client);
    let ledger = recorder.drain();
    assert_eq!(ledger.to_string(), "seen 120 = recorded 120");
    assert_eq!(store.exchanges().len(), 120);
}

#[test]
fn an_origin_that_breaks_off_ends_only_its_own_exchange() {
    let origin = Origin::with(|head| match head.target() {
        b"/broken" => Answer::unread().read_body().send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").close(),
        b"/nothing" => Answer::hang_up(),
        b"/garbage" => Answer::unread().read_body().send("SSH-2.0-OpenSSH\r\n\r\n").close(),
        _ => Answer::ok("ok"),
    });
    let store = TestStore::sqlite();
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(try_exchange(&recorder, &get("/broken")).is_err(), "half an answer must not look whole");
    assert_eq!(try_exchange(&recorder, &get("/nothing")).map(|r| r.status()).ok(), Some(502));
    assert_eq!(try_exchange(&recorder, &get("/garbage")).map(|r| r.status()).ok(), Some(502));
    requests(&mut recorder.client(), 5);
    let ledger = recorder.drain();
    assert_eq!((ledger.seen, ledger.state("recorded")), (8, 8), "{ledger}");
    let endings: Vec<_> = store.exchanges().iter().take(3).map(|e| e.ending.as_str()).collect();
    assert_eq!(endings, ["upstream_error"; 3]);
}

fn try_exchange(recorder: &TestRecorder, request: &str) -> std::io::Result<RawResponse> {
    let mut client = recorder.client();
    client.send(request);
    client.try_response(b"GET")
}

#[test]
fn a_request_that_its_client_gives_up_is_recorded_as_far_as_it_came() {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let origin = Origin::with(move |_| Answer::unread().read_body().wait(&held).then(Answer::ok("late")));
    let store = TestStore::sqlite();
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    let mut client = recorder.client();
    client.send("GET /given-up HTTP/1.1\r\nhost: a\r\n\r\n");
    eventually("the request at the origin", || origin.begun() == 1);
    client.reset();
    recorder.until("its record", |l| l.state("recorded") == 1);
    gate.open();
    recorder.drain();
    assert_eq!(store.exchanges()[0].ending.as_str(), "client_aborted");
}

#[test]
fn half_a_request_is_recorded_as_such_and_never_replayed() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    for half in [
        "POST /half HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nonly this",
        "POST /half HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n9\r\nonly this\r\n",
    ] {
        let before = origin.begun();
        let mut client = recorder.client();
        client.send(half);
        eventually("its head at the origin", || origin.begun() > before);
        client.reset();
    }
    recorder.until("both records", |l| l.state("recorded") == 2);
    recorder.drain();
    for exchange in store.exchanges() {
        assert_eq!(exchange.ending.as_str(), "client_aborted");
        assert!(exchange.request.body.truncated, "{:?}", exchange.request);
    }
    let staging = Origin::start();
    let report = replay(&store, &["--target", &format!("staging={}", staging.url()), "--rate", "max"]);
    assert_eq!(report.targets[0].ledger.reason("skipped", "truncated"), 2, "{}", report.targets[0].ledger);
    assert_eq!(staging.begun(), 0);
}

#[test]
fn expect_100_continue_is_decided_by_the_origin() {
    let origin = Origin::with(|head| match head.target() {
        b"/yes" => Answer::unread().send("HTTP/1.1 100 Continue\r\n\r\n").then(Answer::ok("taken")),
        _ => Answer::unread().send("HTTP/1.1 417 No\r\ncontent-length: 0\r\n\r\n").close(),
    });
    let store = TestStore::sqlite();
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    let head = |path| format!("PUT {path} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n");
    let mut client = recorder.client();
    client.send(head("/yes"));
    assert_eq!(client.head().status(), 100);
    client.send("body");
    assert_eq!(client.response().text(), "taken");
    let mut client = recorder.client();
    client.send(head("/no"));
    assert_eq!(client.head().status(), 417, "no 100 before the origin has spoken");
    drop(client);
    recorder.drain();
    let exchanges = store.exchanges();
    assert_eq!(&exchanges[0].request.body.bytes[..], b"body");
    assert_eq!((exchanges[1].request.body.length, exchanges[1].response.as_ref().unwrap().status), (0, 417));
}

#[test]
fn a_kafka_that_goes_silent_fails_no_request_and_is_used_again_when_it_is_back() {
    let store = TestStore::kafka();
    let chaos = store.chaos();
    let origin = Origin::start();
    let recorder = TestRecorder::with(&["--store", &store.url_through(&chaos), "--upstream", &origin.url()]);
    let mut client = recorder.client();
    requests(&mut client, 20);
    recorder.until("the first records", |l| l.state("recorded") == 20);
    for mode in [Mode::BlackHole, Mode::Stall, Mode::Cut, Mode::Throttle(1000)] {
        chaos.set(mode);
        requests(&mut client, 100);
    }
    chaos.set(Mode::Cut);
    chaos.set(Mode::Pass);
    let before = recorder.ledger().state("recorded");
    eventually("records in the store again", || {
        requests(&mut client, 1);
        recorder.ledger().state("recorded") > before + 5
    });
    drop(client);
    let ledger = recorder.drain();
    assert!(ledger.seen > 420, "{ledger}");
    // A record whose confirmation was lost may be in the log and be counted as lost; never the other way.
    assert!(store.exchanges().len() as u64 >= ledger.state("recorded"), "{ledger}");
}

#[test]
fn a_stream_longer_than_the_body_limit_passes_whole() {
    let big = vec![b'x'; 3 << 20];
    let answer = big.clone();
    let origin = Origin::with(move |_| Answer::ok(&answer));
    let store = TestStore::sqlite();
    let flags = ["--body-limit", "64KiB", "--responses", "full"];
    let recorder = TestRecorder::start(&store, &origin.url(), &flags);
    let head = format!("POST /big HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", big.len());
    let response = recorder.client().exchange([head.as_bytes(), &big].concat());
    assert!(response.body.bytes == big, "{} bytes came back", response.body.bytes.len());
    assert!(origin.only().body.bytes == big);
    recorder.drain();
    let exchange = store.exchanges().remove(0);
    for body in [&exchange.request.body, &exchange.response.as_ref().unwrap().body] {
        assert_eq!((body.length, body.bytes.len(), body.truncated), (3 << 20, 64 << 10, true));
        assert!(body.bytes.iter().all(|b| *b == b'x'));
    }
}

#[test]
fn a_store_that_was_never_there_costs_a_bounded_drain() {
    let (origin, nobody) = (Origin::start(), Refusing::new());
    let store = format!("kafka://{}/traffic", nobody.addr());
    let url = origin.url();
    let recorder = TestRecorder::with(&[&["--store", &store, "--upstream", &url], &SOON[..]].concat());
    requests(&mut recorder.client(), 1);
    let begin = std::time::Instant::now();
    recorder.drain();
    assert!(begin.elapsed() < Duration::from_secs(10), "a drain of 1 s took {:?}", begin.elapsed());
}

/// A thread as /proc has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Thread {
    name: String,
    niceness: i32,
    /// By its number in sched.h.
    policy: u32,
    /// The nanoseconds of its turns on a processor, where the kernel tells.
    turn: Option<u64>,
}

/// None where the thread has ended.
fn thread_at(folder: &Path) -> Option<Thread> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    // proc(5): the name is field 2, in brackets, niceness field 19 and the policy field 41.
    let stat = read("stat")?;
    let behind_name: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let told = read("sched")?;
    Some(Thread {
        name: read("comm")?.trim().to_owned(),
        niceness: behind_name[19 - 3].parse().unwrap(),
        policy: behind_name[41 - 3].parse().unwrap(),
        turn: told.lines().find_map(|line| line.strip_prefix("se.slice")?.rsplit_once(' ')?.1.parse().ok()),
    })
}

fn threads_of(process: u32) -> Vec<Thread> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    tasks.filter_map(|task| thread_at(&task.ok()?.path())).collect()
}

#[test]
fn a_worker_goes_before_the_stores_threads_where_processors_are_short() {
    let (origin, store) = (Origin::start(), TestStore::kafka());
    let mut recorder = Running::start(&["--store", store.url(), "--upstream", &origin.url(), "--workers", "2"]);
    let me = || thread_at(Path::new("/proc/thread-self")).unwrap();
    let (mine, short) =
        thread::spawn(move || (me(), take_short_turns(), me())).join().map(|(a, (), b)| (a, b)).unwrap();
    let process = recorder.program().pid();
    // The recorder is ready when its workers are, whether or not its store's thread has had a processor yet. That asks for
    // its niceness last.
    let threads = eventually_some("the store's thread to give way", || {
        let threads = threads_of(process);
        let gave_way = |thread: &Thread| thread.name == "umbra-store" && thread.niceness > short.niceness;
        threads.iter().any(gave_way).then_some(threads)
    });
    let of = |name: &str| threads.iter().filter(|thread| thread.name.starts_with(name)).collect::<Vec<_>>();
    let (workers, store, library) = (of("umbra-worker"), of("umbra-store"), of("rdk:"));
    assert!(workers.len() == 2 && store.len() == 1 && !library.is_empty(), "{threads:?}");
    for worker in workers {
        assert_eq!(*worker, Thread { name: worker.name.clone(), ..short.clone() }, "{threads:?}");
    }
    for behind in store.into_iter().chain(library) {
        /// `SCHED_BATCH`: one that is woken takes no processor from another.
        const BATCH: u32 = 3;
        assert!(behind.niceness > short.niceness && behind.turn == mine.turn, "{threads:?}");
        assert!(behind.policy == BATCH && mine.policy != BATCH, "{threads:?}");
    }
    recorder.signal("TERM");
    recorder.finish().expect(0);
}
