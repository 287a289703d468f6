//! The feeder of the live tail: reads as a group, skips what is too old, tells the store what is done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use umbra_common::codec::DecodeError;
use umbra_common::ledger::{ReplayOutcome, ReplaySkip};
use umbra_common::store::{Follow, Next, Stored};
use umbra_common::time::Timestamp;

use super::Feed;
use super::outlet::Outgoing;
use super::tracker::{Ticket, Tracker};
use crate::error::RunError;
use crate::read::Filter;
use crate::report::Account;
use crate::schedule::{RateShare, Slot};
use crate::target::{Guard, Preparer, ShadowRequest};

/// What one target's part of following needs.
pub(crate) struct TailFeed {
    /// The group's reader.
    pub follow: Box<dyn Follow>,
    /// Older exchanges are skipped.
    pub max_lag: Option<Duration>,
    /// Which exchanges are meant.
    pub filter: Filter,
    /// Where this replica's part of the rate is written.
    pub share: Arc<RateShare>,
    /// Makes shadow requests.
    pub preparer: Preparer,
    /// Keeps them from production.
    pub guard: Guard,
}

/// How long one look into the store may take.
const WAIT: Duration = Duration::from_millis(100);
/// How often what is done is told, and the share of the rate is looked at.
const TEND_EVERY: Duration = Duration::from_millis(500);

impl TailFeed {
    /// Feeds until the lane has ended; then waits for what is in flight, so that it is not sent again.
    pub(crate) fn run(mut self, mut feed: Feed<Ticket>) -> Result<(), RunError> {
        let tracker = Arc::new(Tracker::default());
        let mut tended = None;
        while !feed.stop.is_stopped() {
            self.tend(&tracker, &mut tended)?;
            // What is pending must not wait for traffic that may not come.
            let wait = if feed.outlet.has_pending() { Duration::ZERO } else { WAIT };
            let next = self.follow.next(wait)?;
            let stop = &feed.stop;
            let mut tick = || {
                self.tend(&tracker, &mut tended)?;
                Ok(!stop.is_stopped())
            };
            let Next::Record(stored) = next else {
                if feed.outlet.flush(&mut tick)? {
                    continue;
                }
                break;
            };
            if let Ok(exchange) = &stored.exchange {
                feed.live.set_behind(Timestamp::now().since(exchange.arrival));
            }
            let expires = self.expires(&stored);
            let ticket = match &stored.exchange {
                Err(DecodeError::Incomplete { .. }) => tracker.aside(stored.position),
                _ => tracker.begin(stored.position),
            };
            let account = Account::new(feed.ledger.open(), ticket);
            // One target that is production is reason enough to send to none.
            let shadow = match self.admit(stored).inspect_err(|_| feed.stop.stop())? {
                Ok(shadow) => shadow,
                Err(outcome) => {
                    account.end(outcome);
                    continue;
                }
            };
            let mut tick = || {
                self.tend(&tracker, &mut tended)?;
                Ok(!feed.stop.is_stopped())
            };
            if !feed.outlet.put(Outgoing { slot: Slot::Free, expires, shadow, account }, &mut tick)? {
                break;
            }
        }
        self.finish(feed, &tracker)
    }

    /// Tells the store once more, when the last answer has come.
    fn finish(mut self, feed: Feed<Ticket>, tracker: &Tracker) -> Result<(), RunError> {
        let Feed { outlet, ledger, .. } = feed;
        // The dispatcher ends, and with it the sender, which finishes what is in flight within its time limits.
        drop(outlet);
        while ledger.snapshot().open() > 0 {
            std::thread::sleep(SETTLE);
            self.tell(tracker)?;
        }
        self.tell(tracker)?;
        Ok(self.follow.close()?)
    }

    fn tell(&mut self, tracker: &Tracker) -> Result<(), RunError> {
        tracker.take_done().into_iter().try_for_each(|upto| self.follow.done(upto))?;
        Ok(())
    }

    fn tend(&mut self, tracker: &Tracker, tended: &mut Option<Instant>) -> Result<(), RunError> {
        if tended.is_some_and(|at| at.elapsed() < TEND_EVERY) {
            return Ok(());
        }
        *tended = Some(Instant::now());
        self.share.set(self.follow.share().fraction());
        self.tell(tracker)?;
        Ok(self.follow.tend()?)
    }

    /// When a record will be older than `--max-lag`.
    fn expires(&self, stored: &Stored) -> Option<Instant> {
        let arrival = stored.exchange.as_ref().ok()?.arrival;
        Instant::now().checked_add(self.max_lag?.saturating_sub(Timestamp::now().since(arrival)))
    }

    /// The shadow request of a record, or how it ends without one.
    fn admit(&mut self, stored: Stored) -> Result<Result<ShadowRequest, ReplayOutcome>, RunError> {
        let skip = |why| Ok(Err(ReplayOutcome::Skipped(why)));
        let exchange = match stored.exchange {
            Ok(exchange) => exchange,
            Err(error) => {
                let at = stored.position;
                tracing::warn!(partition = at.partition, offset = at.offset, %error, "a record cannot be read; skipped");
                return skip(ReplaySkip::Undecodable);
            }
        };
        if self.max_lag.is_some_and(|limit| Timestamp::now().since(exchange.arrival) > limit) {
            return skip(ReplaySkip::TooOld);
        }
        if let Some(left_out) = self.filter.leaves_out(&exchange) {
            return Ok(Err(left_out));
        }
        if exchange.request.body.truncated {
            return skip(ReplaySkip::Truncated);
        }
        self.guard.check(&exchange.upstream)?;
        match self.preparer.prepare(exchange) {
            Ok(shadow) => Ok(Ok(shadow)),
            Err(why) => {
                tracing::debug!(%why, "an exchange is not sent");
                skip(ReplaySkip::Unsendable)
            }
        }
    }
}

/// How often the last answers are looked for.
const SETTLE: Duration = Duration::from_millis(10);
