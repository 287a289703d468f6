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
use super::waiting::{Waiter, Waiting};
use crate::error::RunError;
use crate::read::Filter;
use crate::report::{Account, Live};
use crate::schedule::{RateShare, Slot};
use crate::target::{Guard, Portion, Preparer, ShadowRequest};

/// What one target's part of following needs.
pub(crate) struct TailFeed {
    /// The group's reader.
    pub follow: Box<dyn Follow>,
    /// Each exchange leaves so long after its arrival.
    pub delay: Option<Duration>,
    /// Older exchanges are skipped.
    pub max_lag: Option<Duration>,
    /// Which exchanges are meant.
    pub filter: Filter,
    /// The target's part; everything where absent.
    pub portion: Option<Portion>,
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

/// What has waited for its time goes into the lane this early.
const AHEAD: Duration = Duration::from_secs(1);
/// While as much waits as may: how soon to look again.
const FULL: Duration = Duration::from_millis(20);

impl TailFeed {
    /// Feeds until the lane has ended; then waits for what is in flight, so that it is not sent again.
    pub(crate) fn run(mut self, mut feed: Feed<Ticket>) -> Result<(), RunError> {
        let tracker = Arc::new(Tracker::default());
        let mut waiting = Waiting::new();
        let mut tended = None;
        while !feed.stop.is_stopped() {
            self.tend(&feed.live, &tracker, &mut tended)?;
            if !self.release(&mut waiting, &mut feed, &tracker, &mut tended)? {
                break;
            }
            if waiting.is_full() {
                std::thread::sleep(FULL);
                continue;
            }
            // What is pending must not wait for traffic that may not come, nor what is due soon.
            let wait = if feed.outlet.has_pending() { Duration::ZERO } else { WAIT };
            let next = self.follow.next(wait)?;
            let Feed { outlet, live, stop, .. } = &mut feed;
            let mut tick = || {
                self.tend(live, &tracker, &mut tended)?;
                Ok(!stop.is_stopped())
            };
            let Next::Record(stored) = next else {
                if outlet.flush(&mut tick)? {
                    continue;
                }
                break;
            };
            let arrival = stored.exchange.as_ref().ok().map(|exchange| exchange.arrival);
            if let Some(arrival) = arrival {
                live.set_behind(Timestamp::now().since(arrival));
            }
            let (expires, position) = (self.expires(&stored), stored.position);
            let ticket = match &stored.exchange {
                Err(DecodeError::Incomplete { .. }) => tracker.aside(position),
                _ => tracker.begin(position),
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
            let outgoing = Outgoing { slot: Slot::Free, expires, shadow, account };
            if let (Some(delay), Some(arrival)) = (self.delay, arrival) {
                let (due, size) = (arrival.after(delay), Waiter::footprint(&outgoing));
                waiting.push(Waiter { due, position, size, item: outgoing });
            } else if !self.put(outgoing, &mut feed, &tracker, &mut tended)? {
                break;
            }
        }
        drop(waiting);
        self.finish(feed, &tracker)
    }

    /// Hands on what is due soon. `false` where the lane has ended.
    fn release(
        &mut self,
        waiting: &mut Waiting<Outgoing<Ticket>>,
        feed: &mut Feed<Ticket>,
        tracker: &Tracker,
        tended: &mut Option<Instant>,
    ) -> Result<bool, RunError> {
        let now = Timestamp::now();
        while let Some(Waiter { due, position, item, .. }) = waiting.pop(now.after(AHEAD)) {
            if !self.follow.share().held.contains(&position.partition) {
                item.account.end(ReplayOutcome::Skipped(ReplaySkip::Reassigned));
                continue;
            }
            let slot = Slot::At(Instant::now() + due.since(Timestamp::now()));
            if !self.put(Outgoing { slot, ..item }, feed, tracker, tended)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Puts one into the lane, waiting for room. `false` where the lane has ended.
    fn put(
        &mut self,
        outgoing: Outgoing<Ticket>,
        feed: &mut Feed<Ticket>,
        tracker: &Tracker,
        tended: &mut Option<Instant>,
    ) -> Result<bool, RunError> {
        let Feed { outlet, live, stop, .. } = feed;
        let mut tick = || {
            self.tend(live, tracker, tended)?;
            Ok(!stop.is_stopped())
        };
        outlet.put(outgoing, &mut tick)
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

    fn tend(&mut self, live: &Live, tracker: &Tracker, tended: &mut Option<Instant>) -> Result<(), RunError> {
        if tended.is_some_and(|at| at.elapsed() < TEND_EVERY) {
            return Ok(());
        }
        *tended = Some(Instant::now());
        let share = self.follow.share().fraction();
        self.share.set(share);
        live.set_share(share);
        live.set_behind_records(self.follow.behind()?);
        live.set_gone_of(self.follow.gone());
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
        if self.portion.as_ref().is_some_and(|portion| !portion.holds(&exchange)) {
            return skip(ReplaySkip::OtherTarget);
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
