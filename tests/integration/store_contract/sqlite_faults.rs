//! What can happen to a file.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use umbra_common::store::{Start, Store, StoreError, StoreHealth, StoreState, open_append};
use umbra_common::time::Window;

use super::fresh::{Fresh, records, take};
use super::samples::every_10_ms;
use super::tally::Tally;

#[test]
fn a_store_that_another_process_locks_loses_records_and_goes_on_after() {
    let store = Fresh::sqlite();
    let health = Arc::new(StoreHealth::new());
    let tally = Tally::default();
    let mut appender = open_append(&store.config, Arc::clone(&health)).unwrap();
    let other = Connection::open(store.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    appender.append(&mut records(&every_10_ms(10), &tally));
    assert_eq!(tally.now().lost.get("timeout"), Some(&10), "{:?}", tally.now());
    assert_eq!(health.get().0, StoreState::Down);
    // Readers are not in its way, and it is not in theirs.
    assert_eq!(store.open().plan(Window::ALL).unwrap().at_most(), 0);

    other.execute_batch("ROLLBACK").unwrap();
    appender.append(&mut records(&every_10_ms(10), &tally));
    assert_eq!((tally.now().stored, health.get().0), (10, StoreState::Up));
    appender.close(Duration::ZERO);
    assert!(tally.now().is_settled());
}

#[test]
fn a_file_that_is_deleted_is_made_anew() {
    let store = Fresh::sqlite();
    let tally = Tally::default();
    let mut appender = store.appender();
    appender.append(&mut records(&every_10_ms(10), &tally));
    let mut follower = store.follow("tail", Start::Earliest);
    assert_eq!(take(&mut *follower, 10).len(), 10);

    std::fs::remove_file(store.file()).unwrap();
    appender.append(&mut records(&every_10_ms(20), &tally));
    assert_eq!(tally.now().stored, 30);
    assert_eq!(store.read(&store.open().plan(Window::ALL).unwrap()).len(), 20, "what is confirmed is in the new file");
    assert_eq!(take(&mut *follower, 20).len(), 20, "a follower goes over to the new file");
    follower.close().unwrap();
    appender.close(Duration::ZERO);
}

#[test]
fn a_folder_that_goes_away_loses_records_until_it_is_back() {
    let store = Fresh::sqlite();
    let health = Arc::new(StoreHealth::new());
    let tally = Tally::default();
    let mut appender = open_append(&store.config, Arc::clone(&health)).unwrap();
    let folder = store.file().parent().unwrap().to_owned();
    std::fs::remove_dir_all(&folder).unwrap();
    appender.append(&mut records(&every_10_ms(10), &tally));
    assert_eq!((tally.now().lost.get("rejected"), health.get().0), (Some(&10), StoreState::Down));
    assert!(health.get().2.unwrap().contains("does not exist; make it"));

    std::fs::create_dir(&folder).unwrap();
    appender.tend();
    appender.append(&mut records(&every_10_ms(10), &tally));
    assert_eq!((tally.now().stored, health.get().0), (10, StoreState::Up));
    appender.close(Duration::ZERO);
    assert!(tally.now().is_settled());
}

#[test]
fn a_file_that_is_not_there_is_said_so() {
    let error = Store::open(&Fresh::sqlite().config).map(drop).unwrap_err();
    assert!(matches!(error, StoreError::Path { .. }) && error.is_configuration());
    assert!(error.to_string().contains("no such file; start a recorder on it"), "{error}");
}

#[test]
fn a_record_beyond_every_limit_is_lost_alone() {
    let store = Fresh::sqlite();
    let tally = Tally::default();
    let mut appender = store.appender();
    let mut batch = records(&every_10_ms(3), &tally);
    batch[1].value = vec![0; umbra_common::codec::MAX_RECORD + 1];
    appender.append(&mut batch);
    appender.close(Duration::ZERO);
    let counts = tally.now();
    assert_eq!((counts.stored, counts.lost.get("too large")), (2, Some(&1)), "{counts:?}");
}
