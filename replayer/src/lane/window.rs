//! The feeder of a window: reads, filters, puts in order, gives due times.

use std::sync::Arc;
use std::time::Duration;

use umbra_common::exchange::Exchange;
use umbra_common::ledger::{Ledger, ReplayOutcome, ReplaySkip};
use umbra_common::store::Stored;
use umbra_common::time::Window;

use super::Feed;
use crate::error::RunError;
use crate::merge::{Admitted, Ordered, Step};
use crate::read::Filter;
use crate::report::Account;
use crate::schedule::{Pace, Shard, Timetable};
use crate::target::{Guard, Preparer};

/// What one target's part of a window needs.
pub(crate) struct WindowFeed {
    /// The plan, being read.
    pub records: Ordered<Candidate>,
    /// Which arrivals are meant.
    pub window: Window,
    /// Which exchanges are meant.
    pub filter: Filter,
    /// This process's part.
    pub shard: Option<Shard>,
    /// How fast.
    pub pace: Pace,
    /// Makes shadow requests.
    pub preparer: Preparer,
    /// Keeps them from production.
    pub guard: Guard,
}

/// An exchange of the window, waiting for its turn.
pub(crate) enum Candidate {
    /// To be sent here.
    Here(Box<Exchange>, Account),
    /// Another shard sends it: it only takes its place in the timetable.
    Elsewhere(Account),
}

/// How long one look into the store may take.
const WAIT: Duration = Duration::from_millis(100);

impl WindowFeed {
    /// Feeds until the plan is read or the lane has ended.
    pub(crate) fn run(mut self, feed: Feed<()>) -> Result<(), RunError> {
        let mut timetable = Timetable::new(self.pace);
        let mut admit = Admit { window: self.window, filter: self.filter, shard: self.shard, ledger: feed.ledger };
        while !feed.stop.is_stopped() {
            let step = self.records.next(WAIT, &mut |stored| admit.admit(stored))?;
            feed.live.set_late(self.records.late());
            let (arrival, candidate) = match step {
                Step::Item(arrival, candidate) => (arrival, candidate),
                Step::Idle => continue,
                Step::End => {
                    feed.live.set_complete();
                    return Ok(());
                }
            };
            let due = timetable.next(arrival);
            let (exchange, account) = match candidate {
                Candidate::Here(exchange, account) => (exchange, account),
                Candidate::Elsewhere(account) => {
                    account.end(ReplayOutcome::Skipped(ReplaySkip::OtherShard));
                    continue;
                }
            };
            // One target that is production is reason enough to send to none.
            self.guard.check(&exchange.upstream).inspect_err(|_| feed.stop.stop())?;
            let shadow = match self.preparer.prepare(*exchange) {
                Ok(shadow) => shadow,
                Err(why) => {
                    tracing::debug!(%why, "an exchange is not sent");
                    account.end(ReplayOutcome::Skipped(ReplaySkip::Unsendable));
                    continue;
                }
            };
            if !feed.outlet.put(due, shadow, account, &mut || Ok(!feed.stop.is_stopped()))? {
                break;
            }
        }
        Ok(())
    }
}

/// Decides about each record as it is read.
pub(super) struct Admit {
    window: Window,
    filter: Filter,
    shard: Option<Shard>,
    ledger: Arc<Ledger<ReplayOutcome>>,
}

impl Admit {
    fn admit(&mut self, stored: Stored) -> Admitted<Candidate> {
        let account = Account::new(self.ledger.open(), ());
        let mut exchange = match stored.exchange {
            Ok(exchange) => exchange,
            Err(error) => {
                let at = stored.position;
                tracing::warn!(partition = at.partition, offset = at.offset, %error, "a record cannot be read; skipped");
                account.end(ReplayOutcome::Skipped(ReplaySkip::Undecodable));
                return Admitted::Unwanted(None);
            }
        };
        let arrival = exchange.arrival;
        let unwanted = if !self.window.contains(arrival) {
            ReplayOutcome::Skipped(ReplaySkip::OutsideWindow)
        } else if !self.filter.samples(&exchange) {
            ReplayOutcome::SampledOut
        } else if exchange.request.body.truncated {
            ReplayOutcome::Skipped(ReplaySkip::Truncated)
        } else if self.shard.is_some_and(|shard| !shard.holds(exchange.id)) {
            return Admitted::Wanted(arrival, Candidate::Elsewhere(account));
        } else {
            // What waits for its turn needs the recorded answer's head only.
            if let Some(response) = &mut exchange.response {
                response.body.bytes = bytes::Bytes::new();
            }
            return Admitted::Wanted(arrival, Candidate::Here(Box::new(exchange), account));
        };
        account.end(unwanted);
        Admitted::Unwanted(Some(arrival))
    }
}
