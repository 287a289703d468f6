//! A limit on the rate, whatever the schedule says.

use std::time::{Duration, Instant};

/// Lets so many a second leave. **Invariant**: no second, wherever it begins, holds more than the rate (a rate with a
/// fraction rounds up), also after a pause or a delay: what was missed is not caught up with.
///
/// Each leaves a spacing after the one before it. A wake-up that comes late may be made good for within a slack of some milliseconds:
/// without that each would cost a part of the rate. The spacing is so much wider that the slack fits into a second
/// besides the rate, so that a cap of 1000/s lets 995/s through.
///
/// It is told the time, and what it is told decides alone. Its rate can change while it runs, which keeps the distance
/// from the last one: that is why it is no `governor`, whose quota is fixed.
#[derive(Clone, Debug)]
pub struct Cap {
    spacing: Duration,
    /// When the next one would leave if none were ever late.
    next: Option<Instant>,
}

/// So much lateness is made good for: some ticks of a busy machine's scheduler.
const SLACK: Duration = Duration::from_millis(5);

impl Cap {
    /// For so many a second, which is more than none.
    pub fn new(per_second: f64) -> Self {
        Self { spacing: spacing(per_second), next: None }
    }

    /// From the next one on, so many a second.
    pub fn set_rate(&mut self, per_second: f64) {
        let spacing = spacing(per_second);
        self.next = self.next.map(|next| (next + spacing).checked_sub(self.spacing).unwrap_or(next));
        self.spacing = spacing;
    }

    /// The first moment at `wish` or after it at which one may leave.
    pub fn earliest(&self, wish: Instant) -> Instant {
        let open = self.next.and_then(|next| next.checked_sub(SLACK));
        open.map_or(wish, |open| open.max(wish))
    }

    /// One leaves, not before [`earliest`](Self::earliest) said.
    pub fn take(&mut self, at: Instant) {
        self.next = Some(self.next.map_or(at, |next| next.max(at)) + self.spacing);
    }
}

fn spacing(per_second: f64) -> Duration {
    const SECOND: Duration = Duration::from_secs(1);
    /// Longer than any run: a rate that is as good as none.
    const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
    let secs = if per_second >= 1.0 {
        (SECOND + SLACK).as_secs_f64() / per_second
    } else {
        (1.0 / per_second).max((SECOND + SLACK).as_secs_f64())
    };
    // Rounded up: the invariant is worth a nanosecond.
    let nanos = (secs * 1e9).ceil();
    if nanos < LONGEST.as_nanos() as f64 { Duration::from_nanos(nanos as u64) } else { LONGEST }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    /// The most that any second of these departures holds.
    fn fullest_second(departures: &[Instant]) -> usize {
        let mut window = VecDeque::new();
        let mut most = 0;
        for at in departures {
            window.push_back(*at);
            while window.front().is_some_and(|first| *at - *first >= Duration::from_secs(1)) {
                window.pop_front();
            }
            most = most.max(window.len());
        }
        most
    }

    /// Everybody wants to leave at once, and wakes up so much later than told, where there is a wait.
    fn crowd(cap: &mut Cap, start: Instant, late: impl IntoIterator<Item = Duration>) -> Vec<Instant> {
        let mut now = start;
        let leave = |late: Duration| {
            let told = cap.earliest(now);
            now = if told > now { told + late } else { now };
            cap.take(now);
            now
        };
        late.into_iter().map(leave).collect()
    }

    #[test]
    fn a_crowd_leaves_at_the_rate() {
        let start = Instant::now();
        let departures = crowd(&mut Cap::new(1000.0), start, std::iter::repeat_n(Duration::ZERO, 5000));
        let took = (departures[4999] - start).as_secs_f64();
        assert!((5.0..5.05).contains(&took), "{took}");
        assert!(fullest_second(&departures) <= 1000);
        // Waking up late by less than the slack costs nothing.
        let late = (0..5000).map(|i| Duration::from_micros(i % 4 * 1000));
        let departures = crowd(&mut Cap::new(1000.0), start, late);
        assert!((departures[4999] - start).as_secs_f64() < 5.05);
    }

    #[test]
    fn slow_rates_have_their_whole_distance() {
        let start = Instant::now();
        let departures = crowd(&mut Cap::new(0.1), start, std::iter::repeat_n(Duration::ZERO, 5));
        assert!((departures[4] - start) >= Duration::from_secs(40) - SLACK);
        assert!((departures[4] - start) < Duration::from_secs(41));
    }

    #[test]
    fn a_new_rate_counts_from_the_last_departure() {
        let start = Instant::now();
        let mut cap = Cap::new(0.01);
        cap.take(start);
        cap.set_rate(10.0);
        let next = cap.earliest(start) - start;
        assert!(next <= Duration::from_millis(101) && next > Duration::from_millis(90), "{next:?}");
        cap.set_rate(0.1);
        assert!(cap.earliest(start) - start > Duration::from_secs(9));
    }

    proptest! {
        /// Whoever wants to leave whenever, and however late they wake up: no second holds more than the rate.
        #[test]
        fn no_second_holds_more_than_the_rate(
            rate in prop_oneof![Just(1.0), Just(2.5), 0.2f64..50.0, 50.0f64..3000.0],
            wishes in prop::collection::vec((0u64..30_000_000, 0u64..20_000_000, 0usize..300), 1..60),
        ) {
            let mut cap = Cap::new(rate);
            let start = Instant::now();
            let (mut wish, mut last, mut departures) = (start, start, Vec::new());
            for (gap, late, crowd) in wishes {
                wish += Duration::from_nanos(gap);
                for _ in 0..=crowd {
                    let at = cap.earliest(wish.max(last)) + Duration::from_nanos(late);
                    cap.take(at);
                    departures.push(at);
                    last = at;
                }
            }
            prop_assert!(fullest_second(&departures) as f64 <= rate.ceil(), "{}", fullest_second(&departures));
        }
    }
}
