//! Leaving without losing anything.

use std::net::TcpStream;

use umbra_common::exchange::Ending;

use crate::harness::{Bench, Origin, eventually};

/// An origin that answers when it is told to.
fn waiting() -> (Origin, crossbeam_channel::Receiver<()>, crossbeam_channel::Sender<()>) {
    let (say, began) = crossbeam_channel::bounded(1);
    let (go, wait) = crossbeam_channel::bounded(0);
    let origin = Origin::run(move |mut wire| {
        wire.head();
        say.send(()).unwrap();
        let _ = wait.recv();
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        wire.read_to_end();
    });
    (origin, began, go)
}

#[test]
fn a_drain_lets_exchanges_end_and_takes_no_more() {
    let (origin, began, go) = waiting();
    let bench = Bench::before(&origin, &[]);
    let (addr, admin) = (bench.recorder.addr(), bench.recorder.admin_addr());
    let mut client = bench.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    began.recv().unwrap();
    assert!(bench.admin("/readyz").starts_with("HTTP/1.1 200 "));

    let drain = std::thread::spawn(move || bench.drain());
    eventually("no more connections are taken", || TcpStream::connect(addr).is_err());
    let mut ready = crate::harness::Wire::connect(admin);
    ready.send("GET /readyz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert!(ready.read_to_end().starts_with("HTTP/1.1 503 "));
    assert!(!drain.is_finished());

    go.send(()).unwrap();
    let answer = client.read_to_end();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close"), "{answer}");
    let (ledger, exchanges) = drain.join().unwrap();
    assert_eq!((ledger.to_string().as_str(), exchanges[0].ending), ("seen 1 = recorded 1", Ending::Complete));
}

#[test]
fn what_outlasts_the_drain_is_recorded_unfinished() {
    let (origin, began, _go) = waiting();
    let bench = Bench::before(&origin, &["--drain-timeout", "1s"]);
    let mut client = bench.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    began.recv().unwrap();
    let (ledger, exchanges) = bench.drain();
    assert_eq!((ledger.to_string().as_str(), exchanges[0].ending), ("seen 1 = recorded 1", Ending::Unfinished));
    assert_eq!(client.read_to_end(), "");
}

#[test]
fn an_idle_connection_does_not_hold_up_a_drain() {
    let bench = Bench::before(&Origin::echo(), &[]);
    let mut client = bench.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    client.head();
    client.head();
    let (ledger, _) = bench.drain();
    assert_eq!(ledger.to_string(), "seen 1 = recorded 1");
    assert_eq!(client.read_to_end(), "");
}
