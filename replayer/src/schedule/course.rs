//! The schedule of a running window: a pace from an origin, which pauses move and commands replace.

use std::time::{Duration, Instant};

use super::{Pace, Place};

/// Says when each place is due. It is told the time and asks no clock.
///
/// **Invariant**: due times are absolute. Each follows from the origin and the place, never from another sending; the
/// origin moves only where somebody meant it to.
#[derive(Clone, Debug)]
pub struct Course {
    pace: Pace,
    origin: Instant,
    /// The place that the pace begins at.
    from: Place,
    /// How many places of the pace are over at the origin.
    over: u64,
}

impl Course {
    /// From the window's beginning, which is due at `start`.
    pub fn new(pace: Pace, start: Instant) -> Self {
        Self::resumed(pace, start, 0)
    }

    /// From the place of an index, which is due at `start`.
    pub fn resumed(pace: Pace, start: Instant, index: u64) -> Self {
        Self { pace, origin: start, from: Place::default(), over: index }
    }

    /// When a place is due; nothing where the pace has no schedule.
    pub fn due(&self, place: Place) -> Option<Instant> {
        Some(later(self.origin, self.pace.due_from(place.since(self.from), self.over)?))
    }

    /// Everything is due so much later.
    pub fn shift(&mut self, by: Duration) {
        self.origin = later(self.origin, by);
    }

    /// From `next` on another pace is kept. What is left of the wait for it changes with the pace, and what was late is
    /// forgotten: a new pace begins without a burst.
    pub fn change(&mut self, pace: Pace, next: Place, now: Instant) {
        let left = self.due(next).map_or(Duration::ZERO, |due| due.saturating_duration_since(now));
        let wait = match (&self.pace, &pace) {
            (Pace::Recorded(old), Pace::Recorded(new)) => new.stretch(old.recorded(left)),
            // At most one gap: the last one left less than an old gap ago.
            (_, Pace::Constant(rate)) => left.min(rate.due(1)),
            _ => Duration::ZERO,
        };
        *self = Self { pace, origin: later(now, wait), from: next, over: 0 };
    }
}

/// Beyond every run, where an addition would overflow.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

fn later(from: Instant, by: Duration) -> Instant {
    from + by.min(FAR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn place(index: u64) -> Place {
        Place { index, elapsed: SECOND * u32::try_from(index).unwrap() }
    }

    fn pace(rate: &str) -> Pace {
        Pace::Constant(rate.parse().unwrap())
    }

    fn speed(speed: &str) -> Pace {
        Pace::Recorded(speed.parse().unwrap())
    }

    #[test]
    fn a_new_speed_takes_over_in_the_middle_of_a_gap() {
        let start = Instant::now();
        let mut course = Course::new(speed("0.1x"), start);
        assert_eq!(course.due(place(3)), Some(start + 30 * SECOND));
        // 5 s of the last 10 s are left, ten times as fast.
        course.change(speed("1x"), place(3), start + 25 * SECOND);
        assert_eq!(course.due(place(3)), Some(start + 25 * SECOND + SECOND / 2));
        assert_eq!(course.due(place(5)), Some(start + 27 * SECOND + SECOND / 2));
    }

    #[test]
    fn a_new_rate_neither_waits_for_the_old_one_nor_bursts() {
        let start = Instant::now();
        let mut course = Course::new(pace("1/h"), start);
        course.change(pace("10/s"), place(1), start + SECOND);
        assert_eq!(course.due(place(1)), Some(start + SECOND + SECOND / 10));
        // Ten seconds late by then, which is forgotten.
        course.change(pace("1/s"), place(2), start + 11 * SECOND);
        assert_eq!(course.due(place(2)), Some(start + 11 * SECOND));
        assert_eq!(course.due(place(3)), Some(start + 12 * SECOND));
        course.change(Pace::Max, place(4), start + 12 * SECOND);
        assert_eq!(course.due(place(4)), None);
        course.change(speed("2x"), place(9), start + 12 * SECOND);
        assert_eq!(course.due(place(11)), Some(start + 13 * SECOND));
    }

    #[test]
    fn no_time_is_too_far() {
        let mut course = Course::new(pace("0.000001/h"), Instant::now());
        course.shift(Duration::MAX);
        assert!(course.due(place(1_000_000)).is_some());
    }

    proptest! {
        /// A shift moves all by the same time, whatever the pace.
        #[test]
        fn a_shift_moves_everything_alike(millis in 0u64..1 << 30, n in 0u64..1 << 20) {
            let start = Instant::now();
            for pace in [speed("3x"), pace("7/s"), Pace::Ramp("1/s..9/s:1m".parse().unwrap())] {
                let (before, mut after) = (Course::new(pace.clone(), start), Course::new(pace, start));
                after.shift(Duration::from_millis(millis));
                let moved = after.due(place(n)).unwrap() - before.due(place(n)).unwrap();
                prop_assert_eq!(moved, Duration::from_millis(millis));
            }
        }
    }
}
