//! How far a planned partition has been read.

use std::time::{Duration, Instant};

use crate::store::PartitionPlan;

/// A partition whose log ends before its plan's end is asked about this much later: a leader that has just taken over
/// may for a moment show less than there is.
const SETTLE: Duration = Duration::from_secs(1);

/// What to do with a message at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It was read before, or is not in the plan.
    Skip,
    /// It is the plan's next.
    Take,
}

/// One partition of a plan.
#[derive(Debug)]
pub(super) struct Progress {
    to: i64,
    /// The first offset that has not been read.
    next: i64,
    /// When the end of the log was met, since the last message.
    met_end: Option<Instant>,
    /// It is asked for nothing any more, because the log ended before what was asked for.
    pub(super) is_beyond: bool,
    ended: bool,
    pub(super) held: bool,
}

impl Progress {
    pub(super) fn new(plan: PartitionPlan) -> Self {
        Self { to: plan.to, next: plan.from, met_end: None, is_beyond: false, ended: false, held: false }
    }

    pub(super) fn message(&mut self, offset: i64) -> Step {
        self.met_end = None;
        if self.ended || offset < self.next {
            return Step::Skip;
        }
        self.next = offset + 1;
        if offset < self.to { Step::Take } else { Step::Skip }
    }

    /// The log's end was met.
    pub(super) fn end_of_log(&mut self) {
        self.met_end.get_or_insert_with(Instant::now);
    }

    /// The log is to be asked again.
    pub(super) fn ask_again(&mut self) {
        (self.met_end, self.is_beyond) = (None, false);
    }

    /// The log begins at `first` now; how many offsets that were to be read are gone.
    pub(super) fn begins_at(&mut self, first: i64) -> u64 {
        let next = self.next.max(first.min(self.to));
        u64::try_from(next - std::mem::replace(&mut self.next, next)).unwrap_or(0)
    }

    /// The first offset that has not been read.
    pub(super) fn next(&self) -> i64 {
        self.next
    }

    /// Whether everything is read; told as true once.
    pub(super) fn take_end(&mut self) -> bool {
        let now_ended = !self.ended && self.next >= self.to;
        self.ended |= now_ended;
        now_ended
    }

    /// Whether the log ended some time ago and the plan did not: transaction markers at the end, or a log that was cut.
    pub(super) fn is_stuck(&self) -> bool {
        !self.ended && self.met_end.is_some_and(|at| at.elapsed() >= SETTLE)
    }

    /// How long ago the log's end was met.
    pub(super) fn stuck_for(&self) -> Duration {
        self.met_end.map_or(Duration::ZERO, |at| at.elapsed())
    }

    /// The first offset that is not read.
    pub(super) fn to(&self) -> i64 {
        self.to
    }

    /// There is no more to come than what came.
    pub(super) fn give_up(&mut self) {
        self.next = self.to;
    }

    /// Whether messages are expected.
    pub(super) fn is_active(&self) -> bool {
        !self.ended && !self.held
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress() -> Progress {
        Progress::new(PartitionPlan { partition: 0, from: 3, to: 6 })
    }

    #[test]
    fn it_ends_once_behind_the_last_offset() {
        let mut p = progress();
        assert!(!p.take_end());
        assert_eq!([2, 3, 3, 4, 5].map(|o| p.message(o)), [Step::Skip, Step::Take, Step::Skip, Step::Take, Step::Take]);
        assert_eq!((p.take_end(), p.take_end(), p.is_active()), (true, false, false));
        assert_eq!(p.message(6), Step::Skip);
    }

    #[test]
    fn a_gap_at_the_end_ends_it_too() {
        let mut p = progress();
        assert_eq!((p.message(4), p.message(9), p.take_end()), (Step::Take, Step::Skip, true));
    }

    #[test]
    fn what_a_log_has_lost_is_counted_once() {
        let mut p = progress();
        p.message(3);
        assert_eq!([4, 5, 5, 3].map(|first| p.begins_at(first)), [0, 1, 0, 0]);
        assert_eq!((p.next(), p.begins_at(100), p.take_end()), (5, 1, true));
    }

    #[test]
    fn a_log_that_ends_early_is_given_up_on_purpose_only() {
        let mut p = progress();
        p.end_of_log();
        assert!(!p.take_end() && !p.is_stuck());
        p.give_up();
        assert!(p.take_end() && !p.is_stuck());
    }
}
