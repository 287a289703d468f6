//! Every buffer has a byte budget, and what does not fit is counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use umbra_tests::origin::{Answer, Origin};
use umbra_tests::ports::Refusing;
use umbra_tests::process::{peak, resident};
use umbra_tests::receiver::Receiver;
use umbra_tests::recorder::TestRecorder;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::{Gate, eventually};
use umbra_tests::wire::RawClient;

use crate::controlled::Controlled;
use crate::running::Running;
use crate::windows::sequence;

fn post(path: &str, size: usize) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\n\r\n");
    [head.into_bytes(), vec![b'x'; size]].concat()
}

#[test]
fn a_body_over_the_limit_is_cut_in_the_record_and_its_true_length_kept() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &["--body-limit", "1KiB"]);
    let mut client = recorder.client();
    for size in [1023, 1024, 1025, 100_000] {
        assert_eq!(client.exchange(post("/", size)).status(), 200);
    }
    drop(client);
    recorder.drain();
    let bodies: Vec<_> = store
        .exchanges()
        .iter()
        .map(|e| (e.request.body.length, e.request.body.bytes.len(), e.request.body.truncated))
        .collect();
    assert_eq!(bodies, [(1023, 1023, false), (1024, 1024, false), (1025, 1024, true), (100_000, 1024, true)]);
    let lengths: Vec<_> = origin.requests().iter().map(|r| r.body.bytes.len()).collect();
    assert_eq!(lengths, [1023, 1024, 1025, 100_000], "the origin gets every byte");
}

#[test]
fn records_that_do_not_fit_the_budget_are_counted_and_their_requests_answered() {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let origin = Origin::with(move |_| Answer::unread().read_body().wait(&held).then(Answer::ok("ok")));
    let store = TestStore::sqlite();
    let flags = ["--memory-limit", "1MiB", "--body-limit", "256KiB"];
    let recorder = TestRecorder::start(&store, &origin.url(), &flags);
    // Ten bodies of 256 KiB are under way at once; the budget has room for fewer than four, of which large records leave
    // some to small ones.
    let mut clients: Vec<_> = (0..10).map(|_| recorder.client()).collect();
    for (i, client) in clients.iter_mut().enumerate() {
        client.send(post(&format!("/{i}"), 256 << 10));
    }
    eventually("all bodies at the origin", || origin.begun() == 10 && origin.bodies_read() == 10);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().status(), 200);
    }
    drop(clients);
    // The budget is given back: the next one fits.
    recorder.until("all ends", |l| l.balances());
    assert_eq!(recorder.client().exchange(post("/after", 256 << 10)).status(), 200);
    let ledger = recorder.drain();
    assert_eq!(ledger.seen, 11);
    let dropped = ledger.reason("dropped", "memory") + ledger.reason("dropped", "memory_share");
    let recorded = ledger.state("recorded");
    assert_eq!(recorded + dropped, 11, "{ledger}");
    assert!((2..=4).contains(&recorded) && dropped >= 7, "{ledger}");
    let exchanges = store.exchanges();
    assert_eq!(exchanges.len() as u64, recorded);
    assert!(exchanges.iter().all(|e| e.request.body.bytes.len() == 256 << 10), "a record is whole or not there");
    assert!(exchanges.iter().any(|e| &e.request.target[..] == b"/after"));
}

#[test]
fn idle_connections_cost_little_each() {
    /// The HTTP library has a buffer of 8 KiB for each direction, of which a page is in use; the rest is ours. With this,
    /// ten thousand and the program itself stay within 150 MiB.
    const MOST: usize = 13 << 10;
    const CONNECTIONS: usize = 400;
    let (origin, store) = (Receiver::start(), TestStore::sqlite());
    let flags = ["--store", store.url(), "--upstream", &origin.url(), "--workers", "1"];
    let mut recorder = Running::start(&flags);
    let idle = |recorder: &Running| {
        let mut client = RawClient::connect(recorder.addr());
        assert_eq!(client.exchange("GET / HTTP/1.1\r\nhost: a\r\n\r\n").status(), 200);
        client
    };
    // What is made once is made.
    let _first: Vec<_> = (0..CONNECTIONS).map(|_| idle(&recorder)).collect();
    let before = resident(recorder.program().pid());
    let _more: Vec<_> = (0..CONNECTIONS).map(|_| idle(&recorder)).collect();
    let each = resident(recorder.program().pid()).saturating_sub(before) / CONNECTIONS;
    assert!(each <= MOST, "{each} bytes for each connection");
}

#[test]
fn what_a_replay_reads_ahead_stays_within_its_budget() {
    /// What waits for its order, and everything else: the Kafka client's 16 MiB, the lane's queue, the program.
    const MOST: usize = (64 + 80) << 20;
    /// Small records, which take several times their bytes in memory; within 12 s of arrival, so all of them would wait.
    const COUNT: u64 = 110_000;
    let (store, receiver) = (TestStore::kafka(), Receiver::start());
    store.write(&sequence(COUNT, Duration::from_micros(100)));
    let target = format!("staging={}", receiver.url());
    let window = ["--from", "-1day", "--to", "+1h", "--rate", "1/m"];
    let replay = Controlled::start(&[&["replay", "--store", store.url(), "--target", &target], &window[..]].concat());
    let seen = || replay.status()["targets"][0]["ledger"]["seen"].as_u64().unwrap_or(0);
    let (mut before, mut since) = (0, Instant::now());
    eventually("no more is read", || {
        let now = seen();
        if now != before || now == 0 {
            (before, since) = (now, Instant::now());
        }
        since.elapsed() > Duration::from_secs(1)
    });
    let most = peak(replay.pid()).unwrap();
    assert!(most <= MOST, "{most} bytes, with {before} records read");
    // A kilobyte each, with what is in the queue; by their bytes in the log there would be room for a hundred thousand.
    assert!((40_000..85_000).contains(&before), "{before} are read ahead");
    replay.signal("TERM");
    replay.finish().expect(130);
}

#[test]
fn memory_stays_flat_while_the_store_is_dead() {
    let (origin, nobody) = (Receiver::start(), Refusing::new());
    let store = format!("kafka://{}/traffic", nobody.addr());
    let flags = ["--store", &store, "--upstream", &origin.url(), "--memory-limit", "4MiB", "--drain-timeout", "1s"];
    let mut recorder = Running::start(&[&flags[..], &["--body-limit", "256KiB"]].concat());
    let mut client = RawClient::connect(recorder.addr());
    let mut send =
        |count: usize| (0..count).for_each(|_| assert_eq!(client.exchange(post("/", 64 << 10)).status(), 200));
    // The budget is used up several times over before the first look.
    send(300);
    let before = resident(recorder.program().pid());
    send(2000);
    let after = resident(recorder.program().pid());
    // 125 MiB of bodies have passed: a tenth of them would be a leak, allocators' habits are far below.
    assert!(after < before + (12 << 20), "{before} bytes have become {after}");
    drop(client);
    recorder.signal("TERM");
    let finished = recorder.finish().expect(0);
    assert!(finished.stderr.contains("seen 2300"), "{}", finished.stderr);
}
