//! What every store must do: one suite, run on SQLite and on a real Kafka.
//!
//! A test is a function of a [`Fresh`](fresh::Fresh) store, named once in `on_both_stores!`, which makes two tests of
//! it. What only one store can meet (a file that is deleted, a broker that stops) is in the `faults` of that store.

mod appending;
mod following;
mod fresh;
mod kafka_faults;
mod kafka_meddling;
mod kafka_outages;
mod late;
mod planning;
mod reading;
mod samples;
mod sharing;
mod splitting;
mod spreading;
mod sqlite_faults;
mod tally;

/// One test for each store out of each function.
macro_rules! on_both_stores {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $test() { super::$test(&$crate::store_contract::fresh::Fresh::sqlite()); })+
        }
        mod kafka {
            $(#[test] fn $test() { super::$test(&$crate::store_contract::fresh::Fresh::kafka(1)); })+
        }
        mod kafka_with_partitions {
            $(#[test] fn $test() { super::$test(&$crate::store_contract::fresh::Fresh::kafka(3)); })+
        }
    };
}
use on_both_stores;
