//! The feeder of a window: reads, filters, puts in order, gives due times.

use std::time::Duration;

use umbra_common::ledger::{ReplayOutcome, ReplaySkip};
use umbra_common::time::Window;

use super::outlet::Outgoing;
use super::{Admit, Candidate, Feed};
use crate::error::RunError;
use crate::merge::{Ordered, Step};
use crate::read::Filter;
use crate::schedule::{Shard, Slot, Timetable};
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
    /// Gaps that are longer become as long as this.
    pub longest_gap: Option<Duration>,
    /// Makes shadow requests.
    pub preparer: Preparer,
    /// Keeps them from production.
    pub guard: Guard,
}

/// How long one look into the store may take.
const WAIT: Duration = Duration::from_millis(100);

impl WindowFeed {
    /// Feeds until the plan is read or the lane has ended.
    pub(crate) fn run(mut self, mut feed: Feed<()>) -> Result<(), RunError> {
        let mut timetable = Timetable::new(self.longest_gap);
        let admit = Admit {
            window: self.window,
            filter: self.filter,
            shard: self.shard,
            keeps_bodies: self.preparer.needs_recorded_bodies(),
            ledger: feed.ledger,
        };
        let stop = feed.stop;
        let mut tick = || Ok(!stop.is_stopped());
        while !stop.is_stopped() {
            // What is pending must not wait for a store that is slow.
            let wait = if feed.outlet.has_pending() { Duration::ZERO } else { WAIT };
            let step = self.records.next(wait, &mut |stored| admit.admit(stored))?;
            feed.live.set_late(self.records.late());
            let (arrival, candidate) = match step {
                Step::Item(arrival, candidate) => (arrival, candidate),
                Step::Idle if feed.outlet.flush(&mut tick)? => continue,
                Step::Idle => break,
                Step::End => {
                    if !feed.outlet.flush(&mut tick)? {
                        break;
                    }
                    feed.live.set_complete();
                    return Ok(());
                }
            };
            let slot = Slot::InWindow(timetable.next(arrival));
            let (exchange, account) = match candidate {
                Candidate::Here(exchange, account) => (exchange, account),
                Candidate::Elsewhere(account) => {
                    account.end(ReplayOutcome::Skipped(ReplaySkip::OtherShard));
                    continue;
                }
            };
            // One target that is production is reason enough to send to none.
            self.guard.check(&exchange.upstream).inspect_err(|_| stop.stop())?;
            let shadow = match self.preparer.prepare(*exchange) {
                Ok(shadow) => shadow,
                Err(why) => {
                    tracing::debug!(%why, "an exchange is not sent");
                    account.end(ReplayOutcome::Skipped(ReplaySkip::Unsendable));
                    continue;
                }
            };
            let next = Outgoing { slot, expires: None, shadow, account };
            if !feed.outlet.put(next, &mut tick)? {
                break;
            }
        }
        Ok(())
    }
}
