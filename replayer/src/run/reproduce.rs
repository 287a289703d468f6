//! The requests that a report shows, as commands that send them again.
//!
//! Only their ids are kept while a run goes on, which costs the sending nothing; the store is asked for them at the end.

use std::time::{Duration, Instant};

use umbra_common::exchange::{Exchange, ExchangeId};
use umbra_common::store::{Next, Store, StoreError, Stored};
use umbra_common::time::{Timestamp, Window};

use crate::command::Sending;
use crate::report::{Report, Sample};
use crate::target::{Preparer, Target};
use crate::traffic::{self, escape};

/// A report does not wait longer for a store that has gone away.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long one look into the store may take.
const WAIT: Duration = Duration::from_millis(100);

/// Gives each sample of a report its request and its command.
pub(super) fn reproduce(report: &mut Report, store: &Store, sending: &Sending) {
    let until = Instant::now() + PATIENCE;
    for result in &mut report.targets {
        let Some(target) = sending.targets.iter().find(|target| *target.name == *result.name) else { continue };
        let preparer = Preparer::new(target.clone(), sending.clone());
        for sample in result.slowest.iter_mut().chain(&mut result.failing) {
            match find(store, sample.id, until) {
                Ok(Some(exchange)) => complete(sample, exchange, &preparer, target, sending),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "the report shows no commands: the store cannot be read any more");
                    return;
                }
            }
        }
    }
}

fn complete(sample: &mut Sample, exchange: Exchange, preparer: &Preparer, target: &Target, sending: &Sending) {
    let Ok(shadow) = preparer.prepare(exchange) else { return };
    let path = shadow.request.uri().path_and_query().map_or("/", |path| path.as_str());
    sample.request = Some(escape::line(format!("{} {path}", shadow.request.method()).as_bytes()));
    sample.curl = Some(traffic::shadow_command(&shadow, &target.url, &sending.changes.secrets()));
}

/// The exchange with an id, which says the millisecond of its arrival.
fn find(store: &Store, id: ExchangeId, until: Instant) -> Result<Option<Exchange>, StoreError> {
    let arrival = Timestamp::from_millis(id.millis());
    let Ok(window) = Window::new(arrival, Timestamp::from_millis(id.millis().saturating_add(1))) else {
        return Ok(None);
    };
    let mut records = store.read(&store.plan(window)?)?;
    while Instant::now() < until {
        match records.next(WAIT)? {
            Next::Record(Stored { exchange: Ok(exchange), .. }) if exchange.id == id => return Ok(Some(exchange)),
            Next::Record(_) | Next::Idle | Next::PartitionEnd(_) => {}
            Next::End => break,
        }
    }
    Ok(None)
}
