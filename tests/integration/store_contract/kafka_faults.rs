//! Brokers that are not there, topics that are missing or change, records and properties that are refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use umbra_common::store::{Store, StoreError, StoreHealth, StoreState, open_append};
use umbra_common::time::Window;
use umbra_tests::kafka::{Kafka, topic_on};
use umbra_tests::ports::Refusing;
use umbra_tests::wait::{DEADLINE, eventually};

use super::fresh::{Fresh, records, tended};
use super::kafka_meddling::{delete_records_before, delete_topic, in_a_transaction};
use super::samples::every_10_ms;
use super::tally::Tally;

/// A store on brokers that refuse connections, which gives records up soon.
fn nowhere(refusing: &Refusing) -> Fresh {
    Fresh::at(topic_on(&refusing.addr().to_string(), "nowhere", None)).with("message.timeout.ms", "700")
}

#[test]
fn without_brokers_records_are_lost_one_by_one_and_the_health_says_why() {
    let refusing = Refusing::new();
    let store = nowhere(&refusing);
    let health = Arc::new(StoreHealth::new());
    let tally = Tally::default();
    let mut appender = open_append(&store.config, Arc::clone(&health)).unwrap();
    let begun = Instant::now();
    appender.append(&mut records(&every_10_ms(100), &tally));
    appender.tend();
    assert!(begun.elapsed() < Duration::from_millis(500), "appending waits for nobody");
    tended(&mut appender, "all receipts", || tally.now().is_settled());
    assert_eq!(tally.now().lost.get("timeout"), Some(&100), "{:?}", tally.now());
    let (state, _, why) = health.get();
    assert_eq!(state, StoreState::Down);
    assert!(why.as_ref().unwrap().contains("refused"), "{why:?}");
    appender.close(Duration::ZERO);
}

#[test]
fn without_brokers_the_health_is_down_before_any_record() {
    let refusing = Refusing::new();
    let health = Arc::new(StoreHealth::new());
    let mut appender = open_append::<super::tally::Ticket>(&nowhere(&refusing).config, Arc::clone(&health)).unwrap();
    tended(&mut appender, "down", || health.get().0 == StoreState::Down);
    appender.close(Duration::ZERO);
}

#[test]
fn closing_without_brokers_keeps_its_deadline_and_every_count() {
    let refusing = Refusing::new();
    let store = nowhere(&refusing).with("message.timeout.ms", "300000");
    let tally = Tally::default();
    let mut appender = store.appender();
    appender.append(&mut records(&every_10_ms(500), &tally));
    let begun = Instant::now();
    appender.close(Duration::from_millis(300));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let counts = tally.now();
    assert!(counts.is_settled(), "{counts:?}");
    assert_eq!(counts.lost.get("closed"), Some(&500), "{counts:?}");
}

#[test]
fn without_brokers_reading_fails_in_time_and_names_them() {
    let refusing = Refusing::new();
    let begun = Instant::now();
    let error = Store::open(&nowhere(&refusing).config).map(drop).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert!(matches!(error, StoreError::Unreachable { .. }) && !error.is_configuration());
    let text = error.to_string();
    assert!(text.contains(&refusing.addr().to_string()) && text.contains("refused"), "{text}");
}

#[test]
fn a_topic_that_is_missing_is_said_so_and_not_made() {
    let store = Fresh::kafka(1);
    for _ in 0..2 {
        let error = Store::open(&store.config).map(drop).unwrap_err();
        assert!(matches!(error, StoreError::NoTopic { .. }), "{error}");
        assert!(error.to_string().contains("start a recorder on it"), "{error}");
    }
}

#[test]
fn the_topic_is_made_with_its_partitions() {
    let store = Fresh::kafka(5);
    let Store::Kafka(source) = store.make() else { panic!("a kafka store") };
    assert!(format!("{source:?}").contains("partitions: [0, 1, 2, 3, 4]"), "{source:?}");
}

#[test]
fn properties_that_are_unknown_or_not_the_users_are_refused_by_name() {
    for (name, value) in [("lingr.ms", "5"), ("acks", "several"), ("group.id", "mine")] {
        let store = Fresh::at(Kafka::shared().topic("properties")).with(name, value);
        let opened = [
            open_append::<super::tally::Ticket>(&store.config, StoreHealth::new().into()).map(drop).unwrap_err(),
            Store::open(&store.config).map(drop).unwrap_err(),
        ];
        for error in opened {
            assert!(error.is_configuration() && error.to_string().contains(name), "{error}");
        }
    }
}

/// Somebody deletes the topic under a recorder: it is made again, and recording resumes by itself.
#[test]
fn a_topic_that_is_deleted_is_made_again() {
    let store = Fresh::kafka(2).with("message.timeout.ms", "1000");
    let tally = Tally::default();
    let mut appender = store.appender();
    appender.append(&mut records(&every_10_ms(10), &tally));
    tended(&mut appender, "the first are stored", || tally.now().stored == 10);

    delete_topic(&store);
    eventually("recording resumes", || {
        appender.append(&mut records(&every_10_ms(1), &tally));
        appender.tend();
        // The topic is there again, and what was written to it can be read.
        let store = Store::open(&store.config);
        store.is_ok_and(|s| s.plan(Window::ALL).is_ok_and(|plan| plan.at_most() > 0)) && tally.now().stored > 10
    });
    appender.close(DEADLINE);
    assert!(tally.now().is_settled(), "{:?}", tally.now());
}

/// Retention removes the beginning of what a plan names while it is read.
#[test]
fn a_plan_whose_beginning_is_gone_gives_the_rest() {
    let store = Fresh::kafka(1);
    store.append(&every_10_ms(100));
    let plan = store.open().plan(Window::ALL).unwrap();
    delete_records_before(&store, 60);
    let read = store.read(&plan);
    assert_eq!(read.first().map(|stored| stored.position.offset), Some(60));
    assert_eq!(read.len(), 40);
}

/// Transaction markers take offsets and are no records: the plan's end may be one.
#[test]
fn a_log_with_transactions_is_read_to_its_end() {
    let store = Fresh::kafka(1);
    store.append(&every_10_ms(5));
    in_a_transaction(&store, 3);
    let source = store.open();
    // A commit is confirmed before its marker stands in the log.
    eventually("eight records and a marker are planned", || source.plan(Window::ALL).unwrap().at_most() == 9);
    assert_eq!(store.read(&source.plan(Window::ALL).unwrap()).len(), 8);
}
