//! Brokers that go away and come back, or do not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use umbra_common::exchange::ExchangeId;
use umbra_common::store::{Next, Start, Store, StoreError, StoreHealth, StoreState, Stored, open_append};
use umbra_common::time::Window;
use umbra_tests::chaos::{Chaos, Mode};
use umbra_tests::kafka::{Broker, Kafka};
use umbra_tests::wait::{DEADLINE, eventually};

use super::fresh::{Fresh, records, take, tended};
use super::samples::{at, every_10_ms, large};
use super::tally::Tally;

/// The log, which has every record that is said to be stored. What was sent and not confirmed in time is counted as lost, and a
/// broker that was only slow has it all the same.
#[track_caller]
fn log_of(store: &Fresh, tally: &Tally) -> Vec<Stored> {
    let counts = tally.now();
    assert!(counts.is_settled(), "{counts:?}");
    let log = store.read(&store.open().plan(Window::ALL).unwrap());
    let there: BTreeSet<_> = log.iter().map(id).collect();
    let missing = counts.stored_ids.difference(&there).count();
    assert_eq!(missing, 0, "of {} that were stored", counts.stored);
    log
}

#[track_caller]
fn id(stored: &Stored) -> ExchangeId {
    stored.exchange.as_ref().unwrap().id
}

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
    let mut followed = take(&mut *follower, 10);

    broker.stop();
    let never_sent = every_10_ms(10);
    appender.append(&mut records(&never_sent, &tally));
    tended(&mut appender, "those without a broker are lost", || tally.now().lost() == 10);
    assert_eq!(health.get().0, StoreState::Down);

    broker.restart();
    eventually("recording resumes", || {
        appender.append(&mut records(&every_10_ms(1), &tally));
        tally.now().stored > 10
    });
    assert_eq!(health.get().0, StoreState::Up);
    appender.close(DEADLINE);
    let log = log_of(&store, &tally);
    let found = log.iter().filter(|stored| never_sent.iter().any(|e| e.id == id(stored))).count();
    assert_eq!(found, 0, "of those that no broker was there for");
    followed.extend(take(&mut *follower, log.len() - 10));
    let positions = |records: &[Stored]| records.iter().map(|stored| stored.position).collect::<BTreeSet<_>>();
    assert_eq!(positions(&followed), positions(&log));
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
    log_of(&store, &tally);
}

/// A connection that is lost with what the broker answered: nobody can tell whether what was sent has arrived, so it is sent again.
/// How often it then stands in the log.
#[track_caller]
fn copies_where_the_answer_is_lost(property: (&str, &str)) -> usize {
    let store = Fresh::kafka(1);
    store.make();
    let (host, port) = Kafka::shared().brokers().rsplit_once(':').unwrap();
    let chaos = Chaos::before_kafka(host, port.parse().unwrap());
    let url = store.config.url.to_string().replace(Kafka::shared().brokers(), &chaos.addr().to_string());
    // However long the machine takes, nothing is given up.
    let through = Fresh::at(url.parse().unwrap()).with("message.timeout.ms", "300000").with(property.0, property.1);
    let health = Arc::new(StoreHealth::new());
    let tally = Tally::default();
    let mut appender = open_append(&through.config, Arc::clone(&health)).unwrap();
    appender.append(&mut records(&every_10_ms(10), &tally));
    tended(&mut appender, "the first are stored", || tally.now().stored == 10);

    chaos.set(Mode::Unanswered);
    let unanswered = every_10_ms(1);
    appender.append(&mut records(&unanswered, &tally));
    tended(&mut appender, "it has arrived", || store.open().plan(Window::ALL).unwrap().at_most() > 10);
    assert_eq!(tally.now().stored, 10);
    chaos.set(Mode::Cut);
    tended(&mut appender, "the connection is seen to be lost", || health.get().0 == StoreState::Down);
    chaos.set(Mode::Pass);
    tended(&mut appender, "it is sent again", || tally.now().stored == 11);
    appender.close(DEADLINE);
    let log = log_of(&store, &tally);
    log.iter().filter(|stored| id(stored) == unanswered[0].id).count()
}

#[test]
fn what_is_sent_again_stands_twice_in_the_log_but_by_an_idempotent_writer() {
    assert_eq!(copies_where_the_answer_is_lost(("enable.idempotence", "false")), 2);
    assert_eq!(copies_where_the_answer_is_lost(("enable.idempotence", "true")), 1);
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
            Ok(Next::Record(_) | Next::Idle) => assert!(begun.elapsed() < DEADLINE),
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
