//! Brokers that go away and come back, or do not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use umbra_common::store::{Next, Start, Store, StoreError, StoreHealth, StoreState, open_append};
use umbra_common::time::Window;
use umbra_tests::kafka::Broker;
use umbra_tests::wait::{DEADLINE, eventually};

use super::fresh::{Fresh, records, take, tended};
use super::samples::{at, every_10_ms, large};
use super::tally::Tally;

/// One broker of its own, stopped and started again.
#[test]
fn a_broker_that_comes_back_is_written_to_and_followed_again() {
    let mut broker = Broker::start();
    let store = Fresh::at(broker.topic("comes-back")).with("message.timeout.ms", "1000");
    let health = Arc::new(StoreHealth::new());
    let tally = Tally::default();
    let mut appender = open_append(&store.config, Arc::clone(&health)).unwrap();
    appender.append(&mut records(&every_10_ms(10), &tally));
    tended(&mut appender, "the first are stored", || tally.now().stored == 10);
    let mut follower = store.follow("comes-back", Start::Earliest);
    assert_eq!(take(&mut *follower, 10).len(), 10);

    broker.stop();
    appender.append(&mut records(&every_10_ms(10), &tally));
    tended(&mut appender, "those without a broker are lost", || tally.now().lost() == 10);
    assert_eq!(health.get().0, StoreState::Down);

    broker.restart();
    eventually("recording resumes", || {
        appender.append(&mut records(&every_10_ms(1), &tally));
        tally.now().stored > 10
    });
    assert_eq!(health.get().0, StoreState::Up);
    appender.close(DEADLINE);
    let counts = tally.now();
    assert!(counts.is_settled(), "{counts:?}");
    assert_eq!(take(&mut *follower, counts.stored - 10).len(), counts.stored - 10);
    let read = store.read(&store.open().plan(Window::ALL).unwrap());
    assert_eq!(read.len(), counts.stored);
    follower.close().unwrap();
}

/// Connections stay open, and nothing is answered: what a lost route looks like.
#[test]
fn a_broker_that_answers_nothing_holds_nobody_up() {
    let broker = Broker::start();
    let store = Fresh::at(broker.topic("frozen")).with("message.timeout.ms", "5000");
    let tally = Tally::default();
    let mut appender = store.appender();
    appender.append(&mut records(&every_10_ms(10), &tally));
    tended(&mut appender, "the first are stored", || tally.now().stored == 10);

    broker.pause();
    appender.append(&mut records(&every_10_ms(100), &tally));
    appender.tend();
    // An append that waited for the broker would not be back before its records are given up.
    assert_eq!(tally.now().lost(), 0, "{:?}", tally.now());
    tended(&mut appender, "those are given up", || tally.now().lost() == 100);
    let error = Store::open(&store.config).map(drop).unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");

    broker.resume();
    eventually("recording resumes", || {
        appender.append(&mut records(&every_10_ms(1), &tally));
        tally.now().stored > 10
    });
    appender.close(DEADLINE);
    assert!(tally.now().is_settled(), "{:?}", tally.now());
}

#[test]
fn a_read_goes_on_where_it_was_when_the_broker_is_back_and_fails_when_it_is_not() {
    let mut broker = Broker::start();
    let store = Fresh::at(broker.topic("read"));
    // More than is fetched ahead.
    let exchanges: Vec<_> = (0..40).map(|i| large(at(i), 900 << 10)).collect();
    store.append(&exchanges);
    let opened = store.open();
    let plan = opened.plan(Window::ALL).unwrap();
    let mut reader = opened.read(&plan).unwrap();
    let mut seen = BTreeSet::new();
    let mut read_until = |enough: usize| {
        let until = Instant::now() + DEADLINE;
        while seen.len() < enough {
            match reader.next(Duration::from_millis(100))? {
                Next::Record(stored) => assert!(seen.insert(stored.position), "{:?} came twice", stored.position),
                Next::Idle => assert!(Instant::now() < until, "{} of {enough} came", seen.len()),
                other => panic!("{other:?} after {}", seen.len()),
            }
        }
        Ok::<(), StoreError>(())
    };
    read_until(2).unwrap();
    broker.stop();
    broker.restart();
    read_until(40).unwrap();

    let mut reader = opened.read(&plan).unwrap();
    assert!(matches!(reader.next(DEADLINE), Ok(Next::Record(_))));
    broker.stop();
    let begun = Instant::now();
    let error = loop {
        match reader.next(Duration::from_millis(100)) {
            Ok(Next::Record(_) | Next::Idle) => assert!(begun.elapsed() < Duration::from_secs(60)),
            Ok(other) => panic!("{other:?} without a broker"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
}

#[test]
fn a_follower_leaves_in_time_when_the_broker_has_gone() {
    let mut broker = Broker::start();
    let store = Fresh::at(broker.topic("leave"));
    store.append(&every_10_ms(10));
    let mut follower = store.follow("leave", Start::Earliest);
    let read = take(&mut *follower, 10);
    broker.stop();
    follower.done(read[9].position).unwrap();
    assert!(matches!(follower.next(Duration::from_millis(200)), Ok(Next::Idle)), "it is waited for");
    let begun = Instant::now();
    assert!(follower.close().is_err(), "a position that could not be kept is said so");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}
