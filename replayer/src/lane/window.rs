//! The feeder of a window: reads, filters, puts in order, gives due times, as often as the window is to be sent.

use std::sync::Arc;
use std::time::Duration;

use umbra_common::ledger::{ReplayOutcome, ReplaySkip};
use umbra_common::time::{Timestamp, Window};

use super::outlet::Outgoing;
use super::{Admit, Candidate, Claims, Feed, History, Rounds};
use crate::error::RunError;
use crate::job::{Progress, Ticket};
use crate::merge::Step;
use crate::read::Filter;
use crate::schedule::{Pace, Place, Repeat, Seam, Shard, Slot, StartLine, Timetable};
use crate::target::{Guard, Portion, Preparer};

/// What one target's part of a window needs.
pub(crate) struct WindowFeed {
    /// The plan, being read.
    pub records: Rounds,
    /// Which arrivals are meant.
    pub window: Window,
    /// Which exchanges are meant.
    pub filter: Filter,
    /// This process's part.
    pub shard: Option<Shard>,
    /// The target's part; everything where absent.
    pub portion: Option<Portion>,
    /// Gaps that are longer become as long as this.
    pub longest_gap: Option<Duration>,
    /// How fast.
    pub pace: Pace,
    /// How often.
    pub repeat: Repeat,
    /// The common start.
    pub line: Arc<StartLine>,
    /// What is kept of it for a run after this one.
    pub job: Option<LaneJob>,
    /// Makes shadow requests.
    pub preparer: Preparer,
    /// Keeps them from production.
    pub guard: Guard,
}

/// One target's part of a job.
pub(crate) struct LaneJob {
    /// What is known of its records.
    pub history: History,
    /// Keeps that.
    pub claims: Claims,
}

/// How long one look into the store may take.
const WAIT: Duration = Duration::from_millis(100);

impl WindowFeed {
    /// Feeds until the plan is read or the lane has ended.
    pub(crate) fn run(mut self, feed: Feed<Option<Ticket>>) -> Result<(), RunError> {
        let Some(LaneJob { history, claims }) = self.job.take() else { return self.feed(feed, None) };
        let (outlet, relay) = feed.outlet.relayed();
        let stop = feed.stop.clone();
        let feed = Feed { outlet, ..feed };
        std::thread::scope(|scope| {
            let why = |why| RunError::Start { what: "a job's claims", why };
            let work = || claims.run(relay, &stop);
            let claims = std::thread::Builder::new().name("claims".into()).spawn_scoped(scope, work).map_err(why)?;
            let fed = self.feed(feed, Some(history));
            fed.and(claims.join().unwrap_or(Err(RunError::Panicked("claims"))))
        })
    }

    /// The index of the first place that is due at the start.
    pub(crate) fn index(&self) -> u64 {
        let saved = self.job.as_ref().and_then(|job| job.history.saved.as_ref());
        saved.map_or(0, |saved| saved.index())
    }

    /// How long the job was running before.
    pub(crate) fn spent(&self) -> Duration {
        let saved = self.job.as_ref().and_then(|job| job.history.saved.as_ref());
        saved.map_or(Duration::ZERO, |saved| saved.spent())
    }

    fn feed(mut self, mut feed: Feed<Option<Ticket>>, history: Option<History>) -> Result<(), RunError> {
        let mut places = Places::new(&self, history.as_ref());
        let progress = history.as_ref().map(|history| history.progress.clone());
        let ledger = feed.ledger.clone();
        let keeps_bodies = self.preparer.needs_recorded_bodies();
        let (window, filter, shard, portion) = (self.window, self.filter.clone(), self.shard, self.portion.clone());
        let admit = Admit { window, filter, shard, portion, keeps_bodies, ledger, history };
        let stop = feed.stop.clone();
        while !stop.is_stopped() {
            // What is pending must not wait for a store that is slow.
            let wait = if feed.outlet.has_pending() { Duration::ZERO } else { WAIT };
            let round = self.records.round();
            let step = self.records.next(wait, &mut |stored| admit.admit(stored, round))?;
            feed.live.set_late(self.records.late());
            feed.live.set_gone(self.records.gone());
            let records = &mut self.records;
            let mut tick = || {
                if let Some(progress) = &progress {
                    records.settle(progress);
                }
                Ok(!stop.is_stopped())
            };
            tick()?;
            let (arrival, candidate) = match step {
                Step::Item(arrival, candidate) => (arrival, candidate),
                Step::Idle if feed.outlet.flush(&mut tick)? => continue,
                Step::Idle => break,
                Step::End if places.end_round(round) => {
                    self.records.begin_next()?;
                    continue;
                }
                Step::End => {
                    feed.live.set_schedule(places.length());
                    complete(&mut feed, progress.as_deref())?;
                    break;
                }
            };
            let Some(place) = places.next(arrival, round, &candidate) else {
                candidate.skip(ReplaySkip::AfterEnd);
                self.records.drain(&mut |candidate| candidate.skip(ReplaySkip::AfterEnd));
                feed.live.set_schedule(places.length());
                complete(&mut feed, progress.as_deref())?;
                break;
            };
            if let Some(longest) = places.longest() {
                feed.live.set_schedule(longest);
            }
            let (exchange, account, origin) = match candidate {
                Candidate::Here(exchange, account, origin) => (exchange, account, origin),
                Candidate::Elsewhere(_, why) | Candidate::Before(_, why) => {
                    candidate.skip(why);
                    continue;
                }
            };
            let account = account.with(progress.as_ref().map(|p| p.enter(origin.spot, place.index, origin.again)));
            // One target that is production is reason enough to send to none.
            self.guard.check(&exchange.upstream).inspect_err(|_| stop.stop())?;
            let mut shadow = match self.preparer.prepare(*exchange) {
                Ok(shadow) => shadow,
                Err(why) => {
                    tracing::debug!(%why, "an exchange is not sent");
                    account.end(ReplayOutcome::Skipped(ReplaySkip::Unsendable));
                    continue;
                }
            };
            feed.live.add_again(origin.again);
            shadow.size += origin.kept;
            let next = Outgoing { slot: Slot::InWindow(place), expires: None, shadow, account };
            if !feed.outlet.put(next, &mut tick)? {
                break;
            }
        }
        Ok(())
    }
}

/// Everything that there is has been put.
fn complete(feed: &mut Feed<Option<Ticket>>, progress: Option<&Progress>) -> Result<(), RunError> {
    let stop = feed.stop.clone();
    if feed.outlet.flush(&mut || Ok(!stop.is_stopped()))? {
        if let Some(progress) = progress {
            progress.set_fed();
        }
        feed.live.set_complete();
    }
    Ok(())
}

/// Gives each exchange of a window its place in the timetable, over all rounds.
struct Places {
    timetable: Timetable,
    /// Nothing of the window arrived later.
    end: Timestamp,
    pace: Pace,
    /// The index of the first place.
    from: u64,
    seam: Seam,
    repeat: Repeat,
    line: Arc<StartLine>,
    progress: Option<Arc<Progress>>,
    /// How long the job was running before.
    spent: Duration,
    /// What is read again before the first that is open has had its place.
    has_begun: bool,
}

impl Places {
    fn new(feed: &WindowFeed, history: Option<&History>) -> Self {
        let saved = history.and_then(|history| history.saved.as_ref());
        let index = saved.map_or(0, |saved| saved.index());
        let (first, span) = saved.map_or((None, None), |saved| (saved.first(), saved.span()));
        Self {
            timetable: Timetable::resumed(feed.longest_gap, index),
            end: feed.window.to().min(Timestamp::now()),
            pace: feed.pace.clone(),
            from: index,
            seam: Seam::new(feed.window, first, index, span),
            repeat: feed.repeat,
            line: feed.line.clone(),
            progress: history.map(|history| history.progress.clone()),
            spent: saved.map_or(Duration::ZERO, |saved| saved.spent()),
            has_begun: saved.is_none(),
        }
    }

    /// The next one's place; nothing where the time that `--loop for=` gave is over.
    fn next(&mut self, arrival: Timestamp, round: u32, candidate: &Candidate) -> Option<Place> {
        if self.seam.first().is_none()
            && let Some(progress) = &self.progress
        {
            progress.learn(Some(arrival), None);
        }
        self.seam.pass(arrival);
        self.has_begun |= matches!(candidate, Candidate::Here(..));
        if !self.has_begun {
            return Some(Place { index: self.timetable.index(), elapsed: Duration::ZERO });
        }
        let place = self.timetable.next(self.seam.arrival(arrival, round));
        let is_over = match self.repeat {
            Repeat::Times(_) => false,
            Repeat::For(limit) => {
                let due = self.pace.due_from(place, self.from);
                self.spent + due.unwrap_or_else(|| self.running()) >= limit
            }
        };
        (!is_over).then_some(place)
    }

    /// From the first place to the last one so far.
    fn length(&self) -> Duration {
        self.timetable.length()
    }

    /// From the first place to the last one there can be, where the number of rounds is known.
    fn longest(&self) -> Option<Duration> {
        let Repeat::Times(rounds) = self.repeat else { return None };
        let round = self.seam.span().unwrap_or_else(|| self.end.since(self.seam.first().unwrap_or(self.end)));
        self.timetable.elapsed(self.end.after(round.saturating_mul(rounds - 1)))
    }

    /// How long this run has been sending.
    fn running(&self) -> Duration {
        self.line.start().map_or(Duration::ZERO, |start| start.elapsed())
    }

    /// Whether there is another round.
    fn end_round(&mut self, round: u32) -> bool {
        let goes_on = match self.repeat {
            Repeat::Times(times) => round + 1 < times,
            // A window without traffic would be read for ever.
            Repeat::For(_) => self.seam.first().is_some(),
        };
        if goes_on {
            self.seam.close();
            if let Some(progress) = &self.progress {
                progress.learn(None, self.seam.span());
            }
        }
        goes_on
    }
}
