//! The replayer's targets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use umbra_common::exchange::Exchange;
use umbra_common::ledger::Snapshot;
use umbra_common::time::Timestamp;
use umbra_tests::exchanges;
use umbra_tests::frames::settings;
use umbra_tests::replayer::replay;
use umbra_tests::stores::TestStore;

use super::{
    ANY_STREAM, COUNT, each_once, goodbye, leaves_after_all, leaves_after_the_first, looks_and_cancels,
    refuses_all_once, target, target_that_greets,
};

/// Requests that say in their bodies which ones they are.
fn numbered() -> Vec<Exchange> {
    let start = Timestamp::now().before(Duration::from_secs(60));
    let at = |n: usize| start.after(Duration::from_millis(n as u64));
    (0..COUNT).map(|n| exchanges::post(at(n), "/", n.to_string().as_bytes())).collect()
}

/// Sends everything at once.
fn replayed(to: SocketAddr) -> Snapshot {
    let store = TestStore::sqlite();
    store.write(&numbered());
    let target = format!("leaving=h2c://{to}");
    replay(&store, &["--target", &target, "--rate", "max", "--protocol", "h2"]).targets.remove(0).ledger
}

/// How many ended as answered and as broken.
fn ends(to: SocketAddr) -> (u64, u64) {
    let ledger = replayed(to);
    (ledger.state("answered"), ledger.reason("failed", "broken"))
}

#[test]
fn what_lies_beyond_a_goodbye_is_sent_again_on_another_connection() {
    let (address, looked_at) = leaves_after_the_first();
    assert_eq!(ends(address), (COUNT as u64, 0));
    each_once(&looked_at);
}

#[test]
fn a_goodbye_that_spares_all_streams_at_first_spares_only_what_the_next_names() {
    let (address, looked_at) = target(|number, connection| {
        if number > 0 {
            return connection.answer_all();
        }
        let requests = connection.all()?;
        connection.goodbye(ANY_STREAM)?;
        let last = requests[2].0;
        connection.goodbye(last)?;
        requests.into_iter().take(3).try_for_each(|(stream, body)| connection.answer(stream, body))
    });
    assert_eq!(ends(address), (COUNT as u64, 0));
    each_once(&looked_at);
}

#[test]
fn requests_that_cross_a_goodbye_are_sent_again() {
    // What still comes behind the first goodbye had left before it was read.
    let (address, looked_at) = target(|number, connection| {
        if number > 0 {
            return connection.answer_all();
        }
        let (first, body) = connection.request()?;
        connection.goodbye(ANY_STREAM)?;
        connection.answer(first, body)?;
        connection.goodbye(first)
    });
    assert_eq!(ends(address), (COUNT as u64, 0));
    each_once(&looked_at);
}

#[test]
fn what_a_goodbye_may_have_looked_at_is_not_sent_again() {
    let (address, looked_at) = leaves_after_all();
    assert_eq!(ends(address), (0, COUNT as u64));
    each_once(&looked_at);
}

#[test]
fn a_refused_stream_is_sent_again() {
    let (address, looked_at) = refuses_all_once();
    assert_eq!(ends(address), (COUNT as u64, 0));
    each_once(&looked_at);
}

#[test]
fn a_stream_that_is_reset_otherwise_is_not_sent_again() {
    let (address, looked_at) = looks_and_cancels();
    assert_eq!(ends(address), (0, COUNT as u64));
    each_once(&looked_at);
}

#[test]
fn a_target_that_looks_at_nothing_ever_is_asked_three_times_for_each() {
    let asked = Arc::new(AtomicUsize::new(0));
    let asking = Arc::clone(&asked);
    let (refusing, _) = target(move |_, connection| {
        loop {
            let (stream, _) = connection.request()?;
            asking.fetch_add(1, Ordering::SeqCst);
            connection.refuse(stream)?;
        }
    });
    assert_eq!(ends(refusing), (0, COUNT as u64));
    assert_eq!(asked.load(Ordering::SeqCst), 3 * COUNT);
    let (leaving, _) = target(|_, connection| connection.request().and_then(|_| connection.goodbye(0)));
    assert_eq!(ends(leaving), (0, COUNT as u64));
}

fn hello_and_goodbye() -> Vec<u8> {
    [settings(&[]), goodbye(0)].concat()
}

#[test]
fn a_goodbye_for_a_greeting_is_answered_by_another_connection() {
    let greeting = |number| if number == 0 { hello_and_goodbye() } else { settings(&[]) };
    let (address, looked_at) = target_that_greets(greeting, |_, connection| connection.answer_all());
    assert_eq!(ends(address), (COUNT as u64, 0));
    each_once(&looked_at);
}

#[test]
fn a_target_that_ends_each_connection_at_once_is_not_connected_to_without_end() {
    let greetings: [fn(usize) -> Vec<u8>; 3] = [|_| hello_and_goodbye(), |_| settings(&[]), |_| Vec::new()];
    for greeting in greetings {
        let connections = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&connections);
        let (address, _) = target_that_greets(greeting, move |_, _| {
            counting.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        let ledger = replayed(address);
        assert_eq!(ledger.state("failed"), COUNT as u64, "{ledger}");
        let connections = connections.load(Ordering::SeqCst);
        assert!(connections <= 3 * COUNT, "{connections} connections for {COUNT} requests");
    }
}
