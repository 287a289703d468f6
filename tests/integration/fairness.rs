//! The memory for records is shared: who sends much keeps nobody out who sends little, and nobody is held up.

use umbra_tests::chaos::{Chaos, Mode};
use umbra_tests::flood::{self, FloodOrigin};
use umbra_tests::origin::Origin;
use umbra_tests::receiver::Receiver;
use umbra_tests::recorder::TestRecorder;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::eventually;

fn head(length: usize) -> String {
    format!("POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n")
}

#[test]
fn large_uploads_that_are_held_open_keep_no_small_record_out() {
    const LARGE: usize = 256 << 10;
    const SMALL: u64 = 300;
    let (origin, store) = (Receiver::start(), TestStore::sqlite());
    let flags = ["--memory-limit", "4MiB", "--body-limit", "256KiB"];
    let recorder = TestRecorder::start(&store, &origin.url(), &flags);
    // Together they are more than there is, and none of them ends before the small ones have come.
    let mut large: Vec<_> = (0..24).map(|_| recorder.client()).collect();
    for client in &mut large {
        client.send(head(LARGE));
        client.send(vec![b'x'; LARGE - 1]);
    }
    recorder.until("a large record that gives way", |l| l.reason("dropped", "memory_share") > 0);
    // The store takes nothing meanwhile: the small ones stay in memory too.
    let lock = rusqlite::Connection::open(store.directory().join("traffic.db")).unwrap();
    lock.execute_batch("begin immediate").unwrap();
    let mut client = recorder.client();
    for _ in 0..SMALL {
        assert_eq!(client.exchange([head(100).as_bytes(), &[b'y'; 100]].concat()).status(), 200);
    }
    lock.execute_batch("rollback").unwrap();
    recorder.until("all small records", |l| l.state("recorded") == SMALL);
    for client in &mut large {
        client.send("x");
        assert_eq!(client.response().status(), 200);
    }
    drop((client, large));
    let ledger = recorder.drain();
    assert_eq!(ledger.reason("dropped", "memory"), 0, "no small record was dropped: {ledger}");
    let kept = ledger.state("recorded") - SMALL;
    // Of 4 MiB, three quarters are for large ones, and of those some is always left for one more.
    assert!((6..=11).contains(&kept), "{ledger}");
    assert_eq!(store.exchanges().len() as u64, SMALL + kept);
}

#[test]
fn a_full_budget_and_a_silent_store_hold_up_no_body() {
    const LONG: u64 = 64 << 20;
    let (origin, silent) = (FloodOrigin::start(), Chaos::before(Origin::start().addr()));
    silent.set(Mode::BlackHole);
    let store = format!("kafka://{}/traffic", silent.addr());
    let flags = ["--memory-limit", "1MiB", "--body-limit", "256KiB", "--responses", "full", "--drain-timeout", "1s"];
    let recorder = TestRecorder::with(&[&flags[..], &["--store", &store, "--upstream", &origin.url()]].concat());
    let mut fillers = 0;
    eventually("a full budget", || {
        assert_eq!(flood::upload(recorder.addr(), 4096), 4096);
        fillers += 1;
        recorder.ledger().reason("dropped", "memory") > 0
    });
    assert_eq!(flood::upload(recorder.addr(), LONG), LONG);
    assert_eq!(flood::download(recorder.addr(), LONG), LONG);
    let ledger = recorder.drain();
    assert_eq!((ledger.seen, ledger.state("dropped")), (fillers + 2, fillers + 2), "{ledger}");
}
