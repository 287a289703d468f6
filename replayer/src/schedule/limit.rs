//! The cap that an operator has set: a figure of this process's own, or a part of the fleet's.

use std::sync::Arc;
use std::time::Instant;

use umbra_common::rate::Rate;

use super::{Cap, RateShare};

/// At most so many requests, or as many as come.
#[derive(Debug, Default)]
pub struct Limit {
    rate: Option<Rate>,
    share: Option<Arc<RateShare>>,
    /// The cap, and the requests per second that it was made for.
    cap: Option<(Cap, f64)>,
}

impl Limit {
    /// This process's own.
    pub fn own(rate: Option<Rate>) -> Self {
        Self { rate, share: None, cap: None }
    }

    /// The fleet's, of which this replica has a part.
    pub fn shared(rate: Option<Rate>, share: Arc<RateShare>) -> Self {
        Self { rate, share: Some(share), cap: None }
    }

    /// Another figure from now on.
    pub fn set(&mut self, rate: Option<Rate>) {
        self.rate = rate;
    }

    /// The first moment at `wish` or after it at which one may leave; nothing while no part of the rate is held.
    pub fn earliest(&mut self, wish: Instant) -> Option<Instant> {
        let Some(rate) = self.rate else { return Some(wish) };
        let per_second = rate.as_per_second() * self.share.as_ref().map_or(1.0, |share| share.get());
        if per_second <= 0.0 {
            return None;
        }
        let (cap, made_for) = self.cap.get_or_insert_with(|| (Cap::new(per_second), per_second));
        if *made_for != per_second {
            cap.set_rate(per_second);
            *made_for = per_second;
        }
        Some(cap.earliest(wish))
    }

    /// One leaves.
    pub fn take(&mut self, at: Instant) {
        if let (Some(_), Some((cap, _))) = (self.rate, &mut self.cap) {
            cap.take(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// How long `count` take that all want to leave at once.
    fn time(limit: &mut Limit, start: Instant, count: u32) -> f64 {
        let mut now = start;
        for _ in 0..count {
            now = limit.earliest(now).unwrap();
            limit.take(now);
        }
        (now - start).as_secs_f64()
    }

    #[test]
    fn the_parts_of_a_fleet_are_the_whole_rate() {
        let start = Instant::now();
        let shares = [1.0 / 12.0, 4.0 / 12.0, 7.0 / 12.0];
        let sent: f64 = shares
            .map(|part| {
                let share = RateShare::none();
                share.set(part);
                100.0 / time(&mut Limit::shared("1200/s".parse().ok(), share), start, 100)
            })
            .iter()
            .sum();
        assert!((sent / 1200.0 - 1.0).abs() < 0.1, "{sent}");
    }

    #[test]
    fn a_replica_without_a_part_sends_nothing_until_it_has_one() {
        let (share, start) = (RateShare::none(), Instant::now());
        let mut limit = Limit::shared("10/s".parse().ok(), share.clone());
        assert_eq!(limit.earliest(start), None);
        share.set(0.5);
        assert_eq!(limit.earliest(start), Some(start));
        limit.take(start);
        let next = limit.earliest(start).unwrap() - start;
        assert!(next > Duration::from_millis(190) && next < Duration::from_millis(210), "{next:?}");
        share.set(1.0);
        assert!(limit.earliest(start).unwrap() - start < Duration::from_millis(110));
        limit.set(None);
        assert_eq!(limit.earliest(start), Some(start));
    }
}
