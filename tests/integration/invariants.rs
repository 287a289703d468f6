//! The ledger's sum, whatever happens to the store: broken at random, it adds up to the unit.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use umbra_common::time::Timestamp;
use umbra_tests::chaos::{Chaos, Mode};
use umbra_tests::exchanges;
use umbra_tests::ledgers::assert_balances;
use umbra_tests::origin::Origin;
use umbra_tests::recorder::TestRecorder;
use umbra_tests::replayer::replay;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::eventually;

/// Requests of all ends: most recorded, some marked, some refused at the edge.
fn load(recorder: &TestRecorder, done: &AtomicBool, sent: &AtomicU64) {
    let mut client = recorder.client();
    while !done.load(Ordering::SeqCst) {
        let i = sent.fetch_add(1, Ordering::SeqCst);
        let marker = if i.is_multiple_of(7) { "umbra-shadow: job\r\n" } else { "" };
        let size = usize::try_from(i % 5).unwrap() * 4000;
        let head = format!("POST /{i} HTTP/1.1\r\nhost: a\r\n{marker}content-length: {size}\r\n\r\n");
        let response = client.exchange([head.into_bytes(), vec![b'x'; size]].concat());
        assert_eq!(response.status(), 200, "request {i}");
    }
}

/// Breaks a store for as long as it takes to send some thousand requests, by what `step` does with a random number.
fn balances_while(recorder: TestRecorder, seed: u64, mut step: impl FnMut(u64), heal: impl FnOnce()) -> u64 {
    let mut random = fastrand::Rng::with_seed(seed);
    let (done, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| load(&recorder, &done, &sent));
        }
        for round in 1..=25 {
            step(random.u64(..));
            let until = sent.load(Ordering::SeqCst) + random.u64(20..150);
            eventually(&format!("requests in round {round} (seed {seed})"), || sent.load(Ordering::SeqCst) >= until);
        }
        heal();
        done.store(true, Ordering::SeqCst);
    });
    let sent = sent.into_inner();
    let ledger = recorder.drain();
    assert_eq!(ledger.seen, sent, "seed {seed}: {ledger}");
    assert_eq!(ledger.reason("skipped", "marked"), sent.div_ceil(7), "seed {seed}: {ledger}");
    assert_balances(&ledger);
    ledger.state("recorded")
}

#[test]
fn the_sum_holds_while_a_sqlite_store_breaks_at_random() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &["--memory-limit", "1MiB", "--body-limit", "64KiB"]);
    let file = store.directory().join("traffic.db");
    let lock = rusqlite::Connection::open(&file).unwrap();
    lock.busy_timeout(Duration::from_secs(5)).unwrap();
    let mut locked = false;
    let step = |random: u64| match (locked, random % 2) {
        (false, 0) => locked = lock.execute_batch("begin immediate").is_ok(),
        (true, 0) => {
            lock.execute_batch("rollback").unwrap();
            locked = false;
        }
        _ => {}
    };
    let heal = || {
        // An error means that nothing was locked.
        let _ = lock.execute_batch("rollback");
    };
    let recorded = balances_while(recorder, fastrand::u64(..), step, heal);
    assert_eq!(store.exchanges().len() as u64, recorded, "what is counted as recorded is in the store");
    let staging = Origin::start();
    let report = replay(&store, &["--target", &format!("staging={}", staging.url()), "--rate", "max"]);
    assert_eq!(report.targets[0].ledger.state("answered"), recorded);
}

#[test]
fn the_sum_holds_while_kafka_breaks_at_random() {
    let (origin, store) = (Origin::start(), TestStore::kafka());
    // The topic is there before anything breaks: a network that is never whole would let nobody make it.
    store.write(&[exchanges::exchange(Timestamp::now())]);
    let chaos: Chaos = store.chaos();
    let flags = [
        "--store",
        &store.url_through(&chaos),
        "--upstream",
        &origin.url(),
        "--memory-limit",
        "1MiB",
        "--drain-timeout",
        "5s",
    ];
    let recorder = TestRecorder::with(&[&flags[..], &["--body-limit", "64KiB"]].concat());
    let modes = [Mode::Pass, Mode::Pass, Mode::Stall, Mode::BlackHole, Mode::Cut, Mode::Throttle(20_000)];
    let step = |random: u64| chaos.set(modes[usize::try_from(random % 6).unwrap()]);
    let heal = || {
        chaos.set(Mode::Cut);
        chaos.set(Mode::Pass);
    };
    let recorded = balances_while(recorder, fastrand::u64(..), step, heal);
    // A record whose confirmation was lost may be in the log and be counted as lost; never the other way.
    assert!(store.exchanges().len() as u64 > recorded);
}
