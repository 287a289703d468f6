//! How well arrivals kept to a schedule.

use std::time::Duration;

use umbra_common::rate::Rate;

use crate::median::median;
use crate::receiver::Arrival;

/// What a schedule of one rate came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// Half of the requests arrived at most this much later than due, counted from the most punctual one.
    pub p50: Duration,
    /// 99 of 100 did.
    pub p99: Duration,
    /// 999 of 1000 did.
    pub p999: Duration,
    /// The latest of all.
    pub max: Duration,
    /// How much longer the whole took than scheduled, as a share of it: how much later the median of the last twentieth was
    /// than that of the first. One request that comes late at an end is lag, not drift.
    pub drift: f64,
    /// The second whose count was farthest from the rate, as a share of it.
    pub worst_second: f64,
}

impl Timing {
    /// Of arrivals in order of number, against request n being due at n / rate. Nothing for fewer than two.
    pub fn of(arrivals: &[Arrival], rate: Rate) -> Option<Self> {
        let [first, .., last] = arrivals else { return None };
        let late = |a: &Arrival| a.at.as_secs_f64() - rate.due(u64::from(a.number)).as_secs_f64();
        let end = arrivals.len().div_ceil(20);
        let slipped =
            median(arrivals[arrivals.len() - end..].iter().map(late))? - median(arrivals[..end].iter().map(late))?;
        let punctual = arrivals.iter().map(late).min_by(f64::total_cmp)?;
        let mut lags: Vec<f64> = arrivals.iter().map(|a| late(a) - punctual).collect();
        lags.sort_by(f64::total_cmp);
        let quantile = |per_mille: usize| Duration::from_secs_f64(lags[(lags.len() - 1) * per_mille / 1000]);
        let scheduled = (rate.due(last.number.into()) - rate.due(first.number.into())).as_secs_f64();
        Some(Self {
            p50: quantile(500),
            p99: quantile(990),
            p999: quantile(999),
            max: quantile(1000),
            drift: slipped / scheduled,
            worst_second: worst_second(arrivals, first.at, rate),
        })
    }

    /// The median of each figure over rounds, but of `max` the largest. Nothing for no rounds.
    pub fn over(rounds: &[Self]) -> Option<Self> {
        let figure = |of: fn(&Self) -> f64| median(rounds.iter().map(of));
        let time = |of: fn(&Self) -> Duration| {
            median(rounds.iter().map(|round| of(round).as_secs_f64())).map(Duration::from_secs_f64)
        };
        Some(Self {
            p50: time(|r| r.p50)?,
            p99: time(|r| r.p99)?,
            p999: time(|r| r.p999)?,
            max: rounds.iter().map(|r| r.max).max()?,
            drift: figure(|r| r.drift)?,
            worst_second: figure(|r| r.worst_second)?,
        })
    }
}

/// Over whole seconds: the last one is rarely full.
fn worst_second(arrivals: &[Arrival], start: Duration, rate: Rate) -> f64 {
    let mut counts: Vec<u32> = Vec::new();
    for arrival in arrivals {
        let second = arrival.at.saturating_sub(start).as_secs() as usize;
        counts.resize(counts.len().max(second + 1), 0);
        counts[second] += 1;
    }
    counts.pop();
    let off = |count: u32| (f64::from(count) / rate.as_per_second() - 1.0).abs();
    counts.into_iter().map(off).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(rate: u32, late: impl Fn(u32) -> u64) -> Vec<Arrival> {
        let due = |n: u32| Duration::from_micros(u64::from(n) * 1_000_000 / u64::from(rate));
        (0..rate * 3)
            .map(|number| Arrival { number, at: due(number) + Duration::from_micros(500 + late(number)) })
            .collect()
    }

    fn timing(late: impl Fn(u32) -> u64) -> Timing {
        Timing::of(&at(1000, late), Rate::per_second(1000).unwrap()).unwrap()
    }

    #[test]
    fn a_constant_delay_is_no_lag() {
        let exact = timing(|_| 0);
        assert!(exact.p999 < Duration::from_nanos(10) && exact.drift.abs() < 1e-9 && exact.worst_second < 0.002);
    }

    #[test]
    fn lag_is_counted_from_the_most_punctual() {
        let one_in_fifty = timing(|n| if n % 50 == 0 { 300 } else { 0 });
        assert!(one_in_fifty.p50 < Duration::from_micros(1));
        assert_eq!(one_in_fifty.p99.as_micros().div_ceil(10), 30);
    }

    #[test]
    fn a_schedule_that_slips_drifts_and_misses_its_rate() {
        // A tenth slower than asked.
        let slow = timing(|n| u64::from(n) * 100);
        assert!((slow.drift - 0.095).abs() < 1e-3 && slow.worst_second > 0.05, "{slow:?}");
    }

    #[test]
    fn rounds_give_their_medians_and_the_latest_of_all() {
        let round = |us: u64| {
            let time = Duration::from_micros(us);
            let share = us as f64 / 1e6;
            Timing { p50: time, p99: time * 2, p999: time * 3, max: time * 4, drift: -share, worst_second: share }
        };
        let all = Timing::over(&[round(30), round(900), round(20)]).unwrap();
        assert_eq!(all, Timing { max: Duration::from_micros(3600), ..round(30) });
        assert_eq!(Timing::over(&[]), None);
    }
}
