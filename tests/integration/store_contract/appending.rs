//! Receipts: each is consumed once, whatever becomes of its record.

use std::time::Duration;

use umbra_common::store::{StoreHealth, StoreState, open_append};
use umbra_common::time::Window;

use super::fresh::{Fresh, records, tended};
use super::samples::{at, every_10_ms, large, noon};
use super::tally::Tally;

fn every_receipt_of_many_batches_is_consumed_once(store: &Fresh) {
    let tally = Tally::default();
    let mut appender = store.appender();
    for _ in 0..40 {
        appender.append(&mut records(&every_10_ms(50), &tally));
        appender.tend();
    }
    appender.close(Duration::from_secs(20));
    let counts = tally.now();
    assert_eq!((counts.handed_out, counts.stored, counts.forgotten), (2_000, 2_000, 0), "{counts:?}");
    let read = store.read(&store.open().plan(Window::ALL).unwrap());
    assert_eq!(read.len(), 2_000);
}

fn receipts_are_consumed_while_the_store_stays_open(store: &Fresh) {
    let tally = Tally::default();
    let mut appender = store.appender();
    appender.append(&mut records(&every_10_ms(10), &tally));
    tended(&mut appender, "all receipts", || tally.now().stored == 10);
    appender.close(Duration::ZERO);
    assert!(tally.now().is_settled());
}

fn an_empty_batch_is_nothing(store: &Fresh) {
    let mut appender = store.appender();
    appender.append(&mut Vec::new());
    appender.close(Duration::from_secs(1));
}

fn several_writers_append_at_once(store: &Fresh) {
    store.make();
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| store.append(&every_10_ms(300)));
        }
    });
    assert_eq!(store.window(noon(), at(3_000)).len(), 900);
}

fn large_records_are_stored_to_the_byte(store: &Fresh) {
    let exchanges: Vec<_> = (0..5).map(|i| large(at(i), 900 << 10)).collect();
    store.append(&exchanges);
    assert_eq!(store.window(noon(), at(5)), exchanges);
}

fn health_follows_the_writes(store: &Fresh) {
    let health = std::sync::Arc::new(StoreHealth::new());
    let tally = Tally::default();
    let mut appender = open_append(&store.config, std::sync::Arc::clone(&health)).unwrap();
    assert_eq!(health.get().0, StoreState::Unknown);
    appender.append(&mut records(&every_10_ms(1), &tally));
    tended(&mut appender, "the store is up", || health.get().0 == StoreState::Up);
    appender.close(Duration::from_secs(10));
    assert_eq!(tally.now().stored, 1);
}

super::on_both_stores!(
    every_receipt_of_many_batches_is_consumed_once,
    receipts_are_consumed_while_the_store_stays_open,
    an_empty_batch_is_nothing,
    several_writers_append_at_once,
    large_records_are_stored_to_the_byte,
    health_follows_the_writes,
);
