//! Reads back what the recorder has put into the store.

use std::time::Duration;

use anyhow::{Context, ensure};
use umbra_common::store::{Next, Store, StoreConfig, StoreUrl};
use umbra_common::time::{Timestamp, Window};

use crate::sighting::Sighting;

/// A store that says nothing for so long has nothing more to say.
const PATIENCE: Duration = Duration::from_secs(5);

/// Each exchange of the window, as its record has it. Blocks, as stores do.
pub fn read(store: &StoreUrl, window: Window) -> anyhow::Result<Vec<Sighting>> {
    let store = Store::open(&StoreConfig::new(store.clone()))?;
    let mut records = store.read(&store.plan(window)?)?;
    let mut found = Vec::new();
    let started = Timestamp::now();
    loop {
        match records.next(Duration::from_millis(100))? {
            Next::End => return Ok(found),
            Next::PartitionEnd(_) => {}
            Next::Idle => ensure!(
                Timestamp::now().since(started) < PATIENCE,
                "the store was not read to its end within {PATIENCE:?}"
            ),
            Next::Record(stored) => {
                let exchange = stored.exchange.context("the store holds a record that does not decode")?;
                // A reader gets the slack around its window too.
                if window.contains(exchange.arrival) {
                    found.push(Sighting::recorded(&exchange));
                }
            }
        }
    }
}
