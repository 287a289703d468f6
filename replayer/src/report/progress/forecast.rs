//! How long a run will go on, as far as that can be said.
//!
//! Nobody knows it: what stands in the log is counted before it is read, the target may become slow, somebody may pause the
//! run. So what is said is an upper bound where the schedule gives one, what the last seconds make likely where it does not,
//! and nothing where nothing is known.

use std::time::{Duration, Instant};

use crate::schedule::{Orders, Pace, Place};

/// How far a lane goes.
#[derive(Clone, Debug)]
pub enum Extent {
    /// Until so long after the start, whatever there is to send: `--loop for=`.
    Time(Duration),
    /// At most so many records, of which the first place has an index, at a pace.
    Records {
        /// How many.
        most: u64,
        /// The index of the first place.
        from: u64,
        /// How fast.
        pace: Pace,
    },
    /// Until somebody ends it.
    Endless,
}

/// What is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Not known yet.
    Unknown,
    /// No more than that, unless the target becomes slow.
    AtMost(Duration),
    /// That, if it goes on as in the last seconds.
    About(Duration),
    /// Nothing moves.
    Paused,
    /// There is no end; what was read last arrived so long ago.
    Behind(Duration),
}

/// How one lane is doing.
pub(super) struct Now<'a> {
    pub(super) now: Instant,
    /// Since the start.
    pub(super) running: Option<Duration>,
    pub(super) orders: &'a Orders,
    pub(super) sent: u64,
    pub(super) ended: u64,
    pub(super) ended_per_second: f64,
    pub(super) lag: Duration,
    pub(super) behind: Duration,
    /// From the first due time to the last, at most and at the recorded speed, where the lane knows it.
    pub(super) schedule: Option<Duration>,
    /// Whether the target is sent less than asked, to spare it.
    pub(super) is_spared: bool,
}

/// One lane's.
#[derive(Debug)]
pub(super) struct Forecast {
    extent: Extent,
}

/// A lane that is later than this is slower than its schedule.
const BEHIND: Duration = Duration::from_secs(1);

impl Forecast {
    pub(super) fn new(extent: Extent) -> Self {
        Self { extent }
    }

    /// The part of the run that is over, and what is left.
    pub(super) fn at(&self, now: &Now<'_>) -> (Option<f64>, Left) {
        let is_paused = now.orders.paused.is_some();
        let (part, left) = match &self.extent {
            Extent::Endless => (None, Left::Behind(now.behind)),
            Extent::Time(limit) => match now.running {
                None => (None, Left::Unknown),
                Some(_) => self.of_schedule(*limit, now),
            },
            Extent::Records { most, from, pace } => match (pace, now.schedule) {
                (Pace::Recorded(speed), Some(schedule)) if self.keeps_schedule(now) => {
                    self.of_schedule(speed.stretch(schedule), now)
                }
                _ => {
                    let left = most.saturating_sub(now.ended);
                    (Some(now.ended as f64 / (*most).max(1) as f64), self.of_records(left, *from, pace, now))
                }
            },
        };
        let part = part.map(|part| part.clamp(0.0, 1.0));
        (part, if is_paused { Left::Paused } else { left })
    }

    /// Whether requests leave when the pace that was asked for says.
    fn keeps_schedule(&self, now: &Now<'_>) -> bool {
        now.lag < BEHIND && now.orders.pace.is_none() && !now.is_spared
    }

    /// What the schedule says, of which so much is the whole.
    fn of_schedule(&self, whole: Duration, now: &Now<'_>) -> (Option<f64>, Left) {
        let Some(running) = now.running else { return (None, Left::Unknown) };
        let pause = now.orders.paused.map_or(Duration::ZERO, |since| now.now.saturating_duration_since(since));
        let passed = running.saturating_sub(now.orders.pauses + pause + now.lag);
        (ratio(passed, whole), Left::AtMost(whole.saturating_sub(passed)))
    }

    /// What so many records take.
    fn of_records(&self, left: u64, from: u64, pace: &Pace, now: &Now<'_>) -> Left {
        if now.ended == 0 {
            return Left::Unknown;
        }
        // Of those to come as many are sent as of those that have been dealt with.
        let sent = (left as f64 * (now.sent as f64 / now.ended as f64).min(1.0)).round() as u64;
        let due = |index: u64| pace.due(Place { index, elapsed: Duration::ZERO });
        let scheduled = match pace {
            Pace::Constant(_) | Pace::Ramp(_) | Pace::Steps(_) if self.keeps_schedule(now) => {
                due(from + now.sent + sent).zip(due(from + now.sent)).map(|(end, here)| end.saturating_sub(here))
            }
            _ => None,
        };
        match scheduled {
            Some(left) => Left::About(left),
            None if now.ended_per_second > 0.0 => Left::About(seconds(left as f64 / now.ended_per_second)),
            None => Left::Unknown,
        }
    }
}

fn ratio(part: Duration, whole: Duration) -> Option<f64> {
    (!whole.is_zero()).then(|| part.as_secs_f64() / whole.as_secs_f64())
}

/// A time that fits; one beyond is as good as never.
fn seconds(of: f64) -> Duration {
    Duration::try_from_secs_f64(of).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn now(orders: &Orders) -> Now<'_> {
        Now {
            now: Instant::now(),
            running: Some(10 * SECOND),
            orders,
            sent: 100,
            ended: 200,
            ended_per_second: 50.0,
            lag: Duration::ZERO,
            behind: 3 * SECOND,
            schedule: None,
            is_spared: false,
        }
    }

    fn records(pace: Pace) -> Forecast {
        Forecast::new(Extent::Records { most: 1200, from: 0, pace })
    }

    fn rate(text: &str) -> Pace {
        Pace::Constant(text.parse().unwrap())
    }

    #[test]
    fn a_recorded_pace_ends_with_its_window() {
        let none = Orders::default();
        let run = records(Pace::Recorded("2x".parse().unwrap()));
        let window = Now { schedule: Some(60 * SECOND), ..now(&none) };
        assert_eq!(run.at(&window), (Some(1.0 / 3.0), Left::AtMost(20 * SECOND)));
        let late = Now { lag: SECOND / 2, ..window };
        assert_eq!(run.at(&late).1, Left::AtMost(20 * SECOND + SECOND / 2));
        // A target that is too slow is no matter of the schedule any more.
        let slow = Now { schedule: Some(60 * SECOND), lag: 5 * SECOND, ..now(&none) };
        assert_eq!(run.at(&slow).1, Left::About(20 * SECOND), "1000 records at 50 a second");
        let unknown = Now { ended: 0, ended_per_second: 0.0, ..now(&none) };
        assert_eq!(run.at(&unknown).1, Left::Unknown);
    }

    #[test]
    fn an_even_pace_ends_when_as_many_of_the_rest_are_sent_as_before() {
        let none = Orders::default();
        // 1000 records are left, of which every second is one to send.
        assert_eq!(records(rate("10/s")).at(&now(&none)), (Some(1.0 / 6.0), Left::About(50 * SECOND)));
        let ramp = records(Pace::Ramp("10/s..100/s:10s".parse().unwrap()));
        let Left::About(left) = ramp.at(&now(&none)).1 else { panic!() };
        assert!(left > 4 * SECOND && left < 50 * SECOND, "{left:?}: as fast as the ramp will be");
        assert_eq!(records(Pace::Max).at(&now(&none)).1, Left::About(20 * SECOND));
        let spared = Now { is_spared: true, ..now(&none) };
        assert_eq!(records(rate("10/s")).at(&spared).1, Left::About(20 * SECOND), "as it has gone of late");
    }

    #[test]
    fn a_pause_and_another_pace_are_not_foretold() {
        let since = Instant::now();
        let paused = Orders { paused: Some(since), pauses: 2 * SECOND, ..Orders::default() };
        let run = records(Pace::Recorded("1x".parse().unwrap()));
        let at = Now { now: since + 3 * SECOND, schedule: Some(20 * SECOND), ..now(&paused) };
        assert_eq!(run.at(&at), (Some(0.25), Left::Paused), "5 of the 10 s were pauses");
        let over = Orders { pauses: 5 * SECOND, ..Orders::default() };
        let at = Now { schedule: Some(20 * SECOND), ..now(&over) };
        assert_eq!(run.at(&at).1, Left::AtMost(15 * SECOND));
        let changed = Orders { pace: Some((1, Pace::Max)), ..Orders::default() };
        let at = Now { schedule: Some(20 * SECOND), ..now(&changed) };
        assert_eq!(run.at(&at).1, Left::About(20 * SECOND), "by the records that are left");
    }

    #[test]
    fn rounds_for_a_time_end_with_it_and_the_tail_never() {
        let none = Orders::default();
        let hour = Forecast::new(Extent::Time(40 * SECOND));
        assert_eq!(hour.at(&now(&none)), (Some(0.25), Left::AtMost(30 * SECOND)));
        let waiting = Now { running: None, ..now(&none) };
        assert_eq!(hour.at(&waiting), (None, Left::Unknown));
        assert_eq!(Forecast::new(Extent::Endless).at(&now(&none)), (None, Left::Behind(3 * SECOND)));
    }
}
