//! Claiming requests before they may be sent, and keeping how far a lane's job is.
//!
//! Between the feeder and the dispatcher of a job's lane. A request is handed on only when a checkpoint that names it has
//! been confirmed by the store: whenever the process dies, the store knows every request that may have left. It claims
//! what is due within [`LEAD`], so that no request waits for the store and few are claimed in vain, and never leaves more
//! in doubt than may be in flight.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;
use umbra_common::store::{Keep, Mark, StoreError};
use umbra_common::time::Timestamp;

use super::Charge;
use super::outlet::Relay;
use crate::error::RunError;
use crate::job::{Progress, Ticket};
use crate::schedule::{Control, Pace, Scheduled, Slot, StartLine};
use crate::stop::{Stop, Urgency};
use crate::target::Shot;

/// How long before its due time a request is claimed: longer than a store takes to confirm a checkpoint.
const LEAD: Duration = Duration::from_millis(100);
/// How long before a start that was asked for the first are claimed: the lane is filled with them before its clock starts.
const LEAD_OF_START: Duration = Duration::from_millis(500);
/// A feeder that reads at full speed gives more within this time.
const MOMENT: Duration = Duration::from_millis(25);
/// Claims are gathered for this long, so that checkpoints do not follow each other at the rate of requests.
const GATHER: Duration = Duration::from_millis(10);
/// What has ended is kept at least this often while nothing is claimed.
const KEEP_EVERY: Duration = Duration::from_millis(100);
/// Between two looks at what is due.
const LOOK: Duration = Duration::from_millis(2);
/// One attempt to keep a checkpoint.
const ATTEMPT: Duration = Duration::from_millis(500);
/// A store that has not confirmed a checkpoint for this long has failed.
const GIVE_UP: Duration = Duration::from_secs(30);

/// One lane's claims.
pub(crate) struct Claims {
    /// Keeps checkpoints; holds the lane's name.
    pub(crate) keep: Box<dyn Keep>,
    /// What they say.
    pub(crate) progress: Arc<Progress>,
    /// So many requests may be in doubt.
    pub(crate) most: usize,
    /// When requests are due, as far as that is known beforehand.
    pub(crate) course: Expected,
    /// How long the job was running before.
    pub(crate) spent: Duration,
    /// What the store has confirmed.
    pub(crate) kept: Vec<Mark>,
    /// When it last did.
    pub(crate) kept_at: Instant,
}

/// When a window's requests are due, as far as that is known before their turn.
pub(crate) struct Expected {
    /// The pace that was asked for.
    pub(crate) pace: Pace,
    /// The index of the first place.
    pub(crate) from: u64,
    /// The common start.
    pub(crate) line: Arc<StartLine>,
    /// What an operator has asked for since.
    pub(crate) control: Arc<Control>,
}

impl Expected {
    /// Says of slots whether they are due within [`LEAD`] of now.
    fn look(&self) -> impl FnMut(Slot) -> bool + '_ {
        let soon = Instant::now() + LEAD;
        let start = self.line.start();
        let starts_soon =
            start.is_some() || self.line.at().is_none_or(|at| at <= Timestamp::now().after(LEAD_OF_START));
        // Under another pace than the one that was asked for, all that may be in doubt is claimed.
        let is_replaced = self.control.version() > 0 && self.control.orders().pace.is_some();
        move |slot| {
            let due = match slot {
                Slot::InWindow(place) if !is_replaced => self.pace.due_from(place, self.from),
                _ => None,
            };
            match (due, start) {
                (None, _) => starts_soon,
                (Some(due), Some(start)) => start + due <= soon,
                (Some(due), None) => starts_soon && due <= LEAD,
            }
        }
    }
}

/// What is due soon after the start is claimed at once and before it: the clock starts when nothing more has come for a
/// moment, and what a slow store confirms after that would be late.
#[derive(Default)]
struct Gathering {
    count: usize,
    grown: Option<Instant>,
}

impl Gathering {
    /// Whether more than the `count` that wait may come in a moment.
    fn goes_on(&mut self, count: usize, now: Instant) -> bool {
        if count != self.count {
            (self.count, self.grown) = (count, Some(now));
        }
        self.grown.is_some_and(|grown| now.saturating_duration_since(grown) < MOMENT)
    }
}

type Waiting = VecDeque<Scheduled<Shot<Option<Ticket>, Charge>>>;

impl Claims {
    /// Of a lane that has not begun; its first checkpoint is kept at once, so that the job is known to be there.
    pub(crate) fn begin(
        keep: Box<dyn Keep>,
        progress: Arc<Progress>,
        most: usize,
        course: Expected,
        spent: Duration,
    ) -> Result<Self, RunError> {
        let mut claims = Self { keep, progress, most, course, spent, kept: Vec::new(), kept_at: Instant::now() };
        claims.save(&Stop::new())?;
        Ok(claims)
    }

    /// Hands on what comes until there is no more, or `stop`; then waits for the end of what was handed on, and keeps
    /// that.
    pub(crate) fn run(mut self, relay: Relay<Option<Ticket>>, stop: &Stop) -> Result<(), RunError> {
        self.hand_on(&relay, stop)?;
        // No more will come: the lane ends when it has dealt with what was handed on.
        drop(relay);
        while self.progress.is_out() {
            self.see_to(stop)?;
            self.progress.wait(GATHER);
        }
        self.save(stop)
    }

    fn hand_on(&mut self, relay: &Relay<Option<Ticket>>, stop: &Stop) -> Result<(), RunError> {
        let mut waiting = Waiting::new();
        let mut has_ended = false;
        let mut gathering = Gathering::default();
        while !(stop.is_stopped() || has_ended && waiting.is_empty()) {
            has_ended |= !self.take(&mut waiting, relay);
            let room = self.progress.room(self.most);
            let (count, needed) = self.due(&waiting, room);
            let may_grow =
                !has_ended && count == waiting.len() && count < self.most && self.course.line.start().is_none();
            let gathers = may_grow && gathering.goes_on(count, Instant::now());
            if count == 0 || gathers || !self.is_worth_it(needed, room) {
                self.see_to(stop)?;
                match (count, room) {
                    (_, 0) => self.progress.wait(GATHER),
                    _ if !waiting.is_empty() => std::thread::sleep(LOOK),
                    _ => {}
                }
                continue;
            }
            let mut claimed: Vec<_> = waiting.drain(..count).collect();
            for ticket in claimed.iter_mut().filter_map(|s| s.item.account.receipt_mut()?.as_mut()) {
                ticket.claim();
            }
            self.save(stop)?;
            if !relay.hand_on(claimed, stop) {
                break;
            }
        }
        Ok(())
    }

    /// Takes what has come, about as much as may be claimed; waits a little where there is nothing. False at the end.
    fn take(&self, waiting: &mut Waiting, relay: &Relay<Option<Ticket>>) -> bool {
        let mut wait = if waiting.is_empty() { GATHER } else { Duration::ZERO };
        while waiting.len() < self.most {
            match relay.taken.recv_timeout(wait) {
                Ok(handful) => waiting.extend(handful),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
            wait = Duration::ZERO;
        }
        true
    }

    /// How many of those that wait may be claimed now, and how many of them add to what is in doubt.
    fn due(&self, waiting: &Waiting, room: usize) -> (usize, usize) {
        let mut expected = self.course.look();
        let mut needed = 0;
        let may = |next: &&Scheduled<Shot<Option<Ticket>, Charge>>| {
            let ticket = next.item.account.receipt().and_then(Option::as_ref);
            needed += usize::from(ticket.is_none_or(Ticket::needs_room));
            expected(next.slot) && needed <= room
        };
        let count = waiting.iter().take_while(may).count();
        (count, needed.min(room))
    }

    /// Whether enough may be claimed for a checkpoint: a part of the room, or all that came in a while.
    fn is_worth_it(&self, needed: usize, room: usize) -> bool {
        let is_full = needed == room;
        is_full && needed >= (self.most / 4).max(1) || self.kept_at.elapsed() >= GATHER
    }

    /// Says that this process lives, and keeps what has ended.
    fn see_to(&mut self, stop: &Stop) -> Result<(), RunError> {
        if self.progress.has_news() && self.kept_at.elapsed() >= KEEP_EVERY {
            return self.save(stop);
        }
        Ok(self.keep.tend()?)
    }

    /// Keeps a checkpoint of this moment; returns when the store has confirmed it.
    fn save(&mut self, stop: &Stop) -> Result<(), RunError> {
        let begun = Instant::now();
        let mut said = false;
        loop {
            let spent = self.course.line.start().map_or(Duration::ZERO, |start| start.elapsed());
            let marks = self.progress.checkpoint(self.spent + spent);
            if let Some(long) = marks.iter().find(|mark| mark.note.len() > Mark::LONGEST_NOTE) {
                return Err(RunError::Scattered { partition: long.position.partition });
            }
            // The first says how far the lane is; of the others only those that say something new.
            let new = |(at, mark): &(usize, &Mark)| *at == 0 || !self.kept.contains(mark);
            let changed: Vec<Mark> = marks.iter().enumerate().filter(new).map(|(_, mark)| mark.clone()).collect();
            // Until the store has spoken, none of the marks is known to be the old or the new one.
            self.kept.clear();
            if self.keep.keep(&changed, ATTEMPT)? {
                (self.kept, self.kept_at) = (marks, Instant::now());
                return Ok(());
            }
            if begun.elapsed() >= GIVE_UP || stop.urgency() == Urgency::Now {
                return Err(StoreError::NotKept {
                    name: "the job's".into(),
                    why: format!(
                        "the store has not confirmed it for {:?}; --resume goes on from the one before",
                        begun.elapsed()
                    ),
                }
                .into());
            }
            if !std::mem::replace(&mut said, true) {
                tracing::warn!(within = ?GIVE_UP, "the store does not confirm a checkpoint; nothing new is sent until it does");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_waited_for_as_long_as_it_comes() {
        let (mut gathering, start) = (Gathering::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        assert!(!gathering.goes_on(0, at(0)), "nothing has come");
        assert!(gathering.goes_on(64, at(1)) && gathering.goes_on(64, at(25)));
        assert!(gathering.goes_on(128, at(25)) && gathering.goes_on(128, at(49)));
        assert!(!gathering.goes_on(128, at(50)), "a moment has passed");
        assert!(gathering.goes_on(100, at(60)), "some were claimed, and others came");
    }
}
