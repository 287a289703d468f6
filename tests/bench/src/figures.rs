//! Medians over rounds, ratios to the plain proxies, and what recording costs by itself.
//!
//! A shared machine's speed moves by a third within minutes. What is said of two rows is therefore the median of what each round says
//! of them, in which they stand seconds apart.

use std::time::Duration;

use crate::contender::Kind;
use crate::median::{Spread, median};
use crate::rounds::Round;
use crate::work::Work;

/// A row's rounds as one figure each.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// What was measured.
    pub kind: Kind,
    /// By which load.
    pub work: Work,
    /// The median.
    pub rate: f64,
    /// The median.
    pub p50: Duration,
    /// The median.
    pub p99: Duration,
    /// The median.
    pub cpu: Duration,
    /// In each round.
    pub cpus: Vec<Duration>,
    /// The largest.
    pub resident: u64,
    /// The sum.
    pub failed: u64,
    /// The sum.
    pub dropped: u64,
}

impl Figures {
    /// Of all rounds of a row; nothing where there are none.
    pub fn of(kind: Kind, work: Work, rounds: &[Round]) -> Option<Self> {
        let median = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
        Some(Self {
            kind,
            work,
            rate: median(|r| r.rate)?,
            p50: Duration::from_secs_f64(median(|r| r.p50.as_secs_f64())?),
            p99: Duration::from_secs_f64(median(|r| r.p99.as_secs_f64())?),
            cpu: Duration::from_secs_f64(median(|r| r.cpu.as_secs_f64())?),
            cpus: rounds.iter().map(|r| r.cpu).collect(),
            resident: rounds.iter().map(|r| r.resident).max()?,
            failed: rounds.iter().map(|r| r.failed).sum(),
            dropped: rounds.iter().map(|r| r.dropped).sum(),
        })
    }

    /// CPU per request over that of a peer under the same load, where the peer was measured.
    pub fn cpu_ratio(&self, to: Kind, all: &[Self]) -> Option<f64> {
        let peer = all.iter().find(|f| f.kind == to && f.work == self.work)?;
        let rounds = self.beside(peer).filter(|(_, peer)| *peer > 0.0);
        median(rounds.map(|(own, peer)| own / peer))
    }

    /// Requests in a second of one core's time.
    pub fn per_core(&self) -> f64 {
        if self.cpu.is_zero() { 0.0 } else { 1.0 / self.cpu.as_secs_f64() }
    }

    /// How much more CPU per request this takes than `without`, in microseconds. Noise can make it negative.
    pub fn cpu_over(&self, without: &Self) -> Option<Spread> {
        Spread::of(self.beside(without).map(|(own, without)| (own - without) * 1e6))
    }

    /// The CPU per request of both in each round, in seconds.
    fn beside(&self, other: &Self) -> impl Iterator<Item = (f64, f64)> {
        self.cpus.iter().zip(&other.cpus).map(|(own, other)| (own.as_secs_f64(), other.as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(us: u64) -> Round {
        let time = Duration::from_micros(us);
        Round { rate: us as f64, p50: time, p99: time, cpu: time, resident: us, failed: us, dropped: us }
    }

    fn figures(kind: Kind, work: Work, us: &[u64]) -> Figures {
        Figures::of(kind, work, &us.iter().copied().map(round).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn times_are_medians_and_losses_are_sums() {
        let odd = figures(Kind::Nginx, Work::Http1, &[30, 10, 20]);
        assert_eq!((odd.cpu, odd.p99, odd.rate), (Duration::from_micros(20), Duration::from_micros(20), 20.0));
        assert_eq!((odd.failed, odd.dropped, odd.resident), (60, 60, 30));
        assert_eq!(figures(Kind::Nginx, Work::Http1, &[10, 20]).cpu, Duration::from_micros(15));
        assert_eq!(Figures::of(Kind::Nginx, Work::Http1, &[]), None);
        assert!((figures(Kind::Nginx, Work::Http1, &[20]).per_core() - 50_000.0).abs() < 1.0);
    }

    #[test]
    fn a_ratio_is_to_the_same_load() {
        let all = [figures(Kind::Nginx, Work::Http1, &[10]), figures(Kind::Nginx, Work::Http2, &[40])];
        let umbra = figures(Kind::UmbraKafka, Work::Http2, &[20]);
        assert_eq!(umbra.cpu_ratio(Kind::Nginx, &all), Some(0.5));
        assert_eq!(umbra.cpu_ratio(Kind::Envoy, &all), None);
        assert!((umbra.cpu_over(&all[0]).unwrap().median - 10.0).abs() < 1e-6);
    }

    #[test]
    fn two_rows_are_compared_within_each_round() {
        // The machine became slower from round to round.
        let nginx = figures(Kind::Nginx, Work::Http1, &[10, 20, 40]);
        let umbra = figures(Kind::UmbraKafka, Work::Http1, &[15, 24, 40]);
        let over = umbra.cpu_over(&nginx).unwrap();
        assert!((over.low - 2.0).abs() < 1e-6 && (over.median - 4.0).abs() < 1e-6 && (over.high - 4.5).abs() < 1e-6);
        assert!((umbra.cpu_ratio(Kind::Nginx, &[nginx]).unwrap() - 1.2).abs() < 1e-6);
    }
}
