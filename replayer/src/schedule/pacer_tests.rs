//! Turns in virtual time.

use super::*;
use crate::schedule::{Goals, Strain};
use proptest::prelude::*;

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

struct Bench {
    pacer: Pacer,
    control: Arc<Control>,
    now: Instant,
    start: Instant,
}

fn bench(pace: Pace, with: impl FnOnce(Pacer) -> Pacer) -> Bench {
    let (line, control) = (Arc::new(StartLine::new(1, None)), Arc::new(Control::default()));
    let mut pacer = with(Pacer::for_window(pace, line.clone(), control.clone()));
    let first = Slot::InWindow(Place::default());
    assert!(matches!(pacer.look(first, Instant::now()), Look::Wait(_)), "no lane starts at once");
    let start = line.start().unwrap();
    Bench { pacer, control, now: start, start }
}

fn rate(text: &str) -> Pace {
    Pace::Constant(text.parse().unwrap())
}

fn place(index: u64, elapsed: Duration) -> Slot {
    Slot::InWindow(Place { index, elapsed })
}

impl Bench {
    /// Waits as told, in steps of the dispatcher's, and says when it left after the start and when it was due; nothing
    /// where it was behind.
    fn leave(&mut self, slot: Slot) -> Option<(Duration, Option<Duration>)> {
        loop {
            match self.pacer.look(slot, self.now) {
                Look::Go(due) => return Some((self.now - self.start, due.map(|due| due - self.start))),
                Look::Behind => return None,
                Look::Wait(until) => {
                    assert!(until > self.now, "a wait that is none");
                    self.now = until.min(self.now + 50 * MILLI);
                }
            }
        }
    }

    fn evenly(&mut self, index: u64) -> Option<(Duration, Option<Duration>)> {
        self.leave(place(index, Duration::ZERO))
    }
}

#[test]
fn each_leaves_when_it_is_due() {
    let mut bench = bench(rate("10/s"), |pacer| pacer);
    for n in 0..30 {
        let due = 100 * MILLI * u32::try_from(n).unwrap();
        assert_eq!(bench.evenly(n), Some((due, Some(due))));
    }
}

#[test]
fn what_is_late_moves_no_other_one_and_is_sent_late() {
    let mut bench = bench(rate("10/s"), |pacer| pacer);
    bench.evenly(0);
    bench.now += 350 * MILLI;
    for n in 1..=3 {
        let (left, due) = bench.evenly(n).unwrap();
        assert_eq!((left, due), (350 * MILLI, Some(100 * MILLI * u32::try_from(n).unwrap())));
    }
    assert_eq!(bench.evenly(4), Some((400 * MILLI, Some(400 * MILLI))));
}

#[test]
fn with_drop_what_is_too_late_is_skipped() {
    let mut bench = bench(rate("10/s"), |pacer| pacer.behind(Behind::Drop(150 * MILLI)));
    bench.evenly(0);
    bench.now += 350 * MILLI;
    assert_eq!(bench.evenly(1), None);
    assert_eq!(bench.evenly(2).unwrap().0, 350 * MILLI);
    assert_eq!(bench.evenly(3).unwrap().0, 350 * MILLI);
}

#[test]
fn a_cap_makes_late_and_with_drop_the_lag_stays_bounded() {
    let cap = |pacer: Pacer| pacer.capped("10/s".parse().ok());
    let mut kept = bench(rate("20/s"), cap);
    let last = (0..100).filter_map(|n| kept.evenly(n)).last().unwrap();
    assert!(last.0 >= 9900 * MILLI, "{last:?}");
    let mut dropping = bench(rate("20/s"), |pacer| cap(pacer).behind(Behind::Drop(SECOND)));
    let left: Vec<_> = (0..200).filter_map(|n| dropping.evenly(n)).collect();
    assert!((100..125).contains(&left.len()), "{}", left.len());
    assert!(left.iter().all(|(at, due)| *at - due.unwrap() <= SECOND));
}

#[test]
fn a_pause_moves_the_schedule_by_its_length() {
    let mut bench = bench(rate("10/s"), |pacer| pacer);
    bench.evenly(0);
    bench.control.pause(bench.now + 20 * MILLI);
    bench.now += 40 * MILLI;
    let Look::Wait(until) = bench.pacer.look(place(1, Duration::ZERO), bench.now) else { panic!() };
    assert!(until > bench.now);
    bench.now += 10 * SECOND;
    bench.control.resume(bench.start + 7020 * MILLI);
    // It is 3 s after the end of the pause: these are late. What is not due yet keeps its distance.
    let (_, due) = bench.evenly(1).unwrap();
    assert_eq!(due, Some(7100 * MILLI));
    assert_eq!(bench.evenly(60), Some((13 * SECOND, Some(13 * SECOND))));
}

#[test]
fn a_pause_that_nobody_saw_counts_as_well_and_one_before_the_start_does_not() {
    let mut bench = bench(rate("10/s"), |pacer| pacer);
    bench.evenly(0);
    bench.control.pause(bench.now);
    bench.control.resume(bench.now + SECOND);
    bench.now += 2 * SECOND;
    assert_eq!(bench.evenly(1).unwrap().1, Some(1100 * MILLI));

    let (line, control) = (Arc::new(StartLine::new(1, None)), Arc::new(Control::default()));
    let begun = Instant::now();
    control.pause(begun);
    let mut pacer = Pacer::for_window(rate("10/s"), line.clone(), control.clone());
    pacer.look(place(0, Duration::ZERO), begun);
    assert_eq!(line.start(), None, "a paused lane is not ready");
    control.resume(begun + 10 * SECOND);
    pacer.look(place(0, Duration::ZERO), begun);
    let start = line.start().unwrap();
    assert_eq!(pacer.look(place(0, Duration::ZERO), start), Look::Go(Some(start)));
}

#[test]
fn another_pace_holds_from_the_next_request_on() {
    let mut bench = bench(rate("1/s"), |pacer| pacer);
    bench.evenly(0);
    bench.now += 100 * MILLI;
    bench.control.set_pace(rate("100/s"));
    assert_eq!(bench.evenly(1).unwrap().0, 110 * MILLI);
    assert_eq!(bench.evenly(2).unwrap().0, 120 * MILLI);
    bench.control.set_pace(Pace::Max);
    assert_eq!(bench.evenly(3), Some((120 * MILLI, None)));
}

#[test]
fn what_a_goal_delays_is_not_caught_up_with() {
    let strain = Arc::new(Strain::default());
    let goals: Goals = "errors<1%".parse().unwrap();
    let throttle = Throttle::new("a".into(), goals, strain.clone());
    let mut bench = bench(rate("100/s"), |pacer| pacer.with(Some(throttle)));
    let mut left = Vec::new();
    for n in 0..3000 {
        let (at, due) = bench.evenly(n).unwrap();
        assert!(at - due.unwrap() <= MILLI, "what is spared is not late: {:?}", at - due.unwrap());
        left.push(at);
        // For ten seconds everything fails.
        let failed = (5 * SECOND..15 * SECOND).contains(&at);
        bench.pacer.note(bench.now, bench.now, Some(MILLI), failed);
    }
    assert!(strain.lowered() >= 2 && strain.limit().is_none(), "{strain:?}");
    let second = |s: u32| left.iter().filter(|at| (SECOND * s..SECOND * (s + 1)).contains(at)).count();
    assert_eq!(second(2), 100);
    assert!(second(14) < 30, "{}", second(14));
    let took = left[2999];
    assert!(took > 40 * SECOND, "the schedule has moved: {took:?}");
    assert!((0..took.as_secs() as u32).all(|s| second(s) <= 101), "nothing was caught up with");
}

#[test]
fn the_tail_leaves_as_it_comes_under_a_part_of_the_fleets_rate() {
    let (share, control) = (RateShare::none(), Arc::new(Control::default()));
    let mut pacer = Pacer::for_tail("100/s".parse().ok(), share.clone(), control.clone());
    let start = Instant::now();
    assert_eq!(pacer.look(Slot::Free, start), Look::Wait(start + ELSEWHERE), "no part, no request");
    share.set(0.5);
    let mut bench = Bench { pacer, control, now: start, start };
    let last = (0..101).map(|_| bench.leave(Slot::Free).unwrap().0).last().unwrap();
    assert!(last >= 2 * SECOND - 20 * MILLI && last < 2 * SECOND + 50 * MILLI, "{last:?}");
    bench.control.set_pace(Pace::Max);
    assert_eq!(bench.leave(Slot::Free).unwrap().0, last);
    let later = bench.now + SECOND;
    assert_eq!(bench.leave(Slot::At(later)).unwrap(), (later - start, Some(later - start)));
}

proptest! {
    /// Nothing leaves before it is due, and nothing in another order than it came, whatever the machine's delays.
    #[test]
    fn nothing_leaves_early(
        gaps in prop::collection::vec(0u64..200, 1..60), delays in prop::collection::vec(0u64..150, 60), cap in 5u32..200,
    ) {
        for pace in [Pace::default(), Pace::Recorded("3x".parse().unwrap()), rate("40/s")] {
            let mut bench = bench(pace.clone(), |pacer| pacer.capped(format!("{cap}/s").parse().ok()));
            let (mut elapsed, mut last) = (Duration::ZERO, Duration::ZERO);
            for (n, gap) in gaps.iter().enumerate() {
                elapsed += MILLI * u32::try_from(*gap).unwrap();
                let at = Place { index: n as u64, elapsed };
                bench.now += MILLI * u32::try_from(delays[n]).unwrap();
                let (left, due) = bench.leave(Slot::InWindow(at)).unwrap();
                prop_assert_eq!(due, pace.due(at));
                prop_assert!(left >= due.unwrap() && left >= last);
                last = left;
            }
        }
    }
}
