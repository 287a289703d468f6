//! The latency that a proxy adds at half of what it can do: the same fixed rate straight to the upstream and through it.
//!
//! Requests are sent one by one at their times. h2load's `--rps` sends what has become due every ten milliseconds, on all
//! connections together: a full load with pauses, whose latency is that of the queue which it makes itself.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use umbra_tests::load::{SteadyLoad, percentile};

use crate::load::Load;
use crate::stop::Stop;

/// As plain as wrk's.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/// One way to the upstream, and what requests took on it: medians over rounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    /// Where it leads through.
    pub name: String,
    at: SocketAddr,
    rounds: Vec<(Duration, Duration)>,
    /// Requests that failed, over all rounds.
    pub failed: u64,
}

impl Way {
    /// A way that has not been measured yet.
    pub fn new(name: impl Into<String>, at: SocketAddr) -> Self {
        Self { name: name.into(), at, rounds: Vec::new(), failed: 0 }
    }

    /// The median of the median latency, and of the 99th percentile.
    fn latency(&self) -> (Duration, Duration) {
        let median = |pick: fn(&(Duration, Duration)) -> Duration| {
            let mut all: Vec<_> = self.rounds.iter().map(pick).collect();
            all.sort();
            all.get(all.len() / 2).copied().unwrap_or_default()
        };
        (median(|r| r.0), median(|r| r.1))
    }
}

/// Loads every way in turn, at `rate` requests in a second over all connections.
pub fn measure(ways: &mut [Way], rate: u32, rounds: u32, load: Load, stop: &Stop) -> anyhow::Result<()> {
    let Load { concurrency, seconds } = load;
    for _ in 0..rounds {
        for way in &mut *ways {
            eprintln!("at {rate} requests/s: {}", way.name);
            let steady = SteadyLoad::start(way.at, concurrency, rate, REQUEST);
            stop.pass(Duration::from_secs(seconds.into()))?;
            let samples = steady.finish();
            let of_all = |percent| percentile(percent, &samples).unwrap_or_default();
            way.rounds.push((of_all(50), of_all(99)));
            way.failed += samples.iter().filter(|sample| !sample.good).count() as u64;
        }
    }
    Ok(())
}

/// What was measured, of which the first way is the straight one.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Requests in a second.
    pub rate: u32,
    /// The ways.
    pub ways: &'a [Way],
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((straight, through)) = self.ways.split_first() else { return Ok(()) };
        let (p50, p99) = straight.latency();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        writeln!(f, "At {} requests/s, half of what the recorder reached:", self.rate)?;
        writeln!(f, "  {}: p50 {:.2} ms, p99 {:.2} ms", straight.name, ms(p50), ms(p99))?;
        for way in through {
            let (own50, own99) = way.latency();
            writeln!(
                f,
                "  {}: p50 {:.2} ms, p99 {:.2} ms; added p99 {:+.2} ms (bound: 1); {} failed",
                way.name,
                ms(own50),
                ms(own99),
                ms(own99) - ms(p99),
                way.failed
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_way_adds_is_over_the_straight_one() {
        let way = |name: &str, p99: &[u64]| {
            let mut way = Way::new(name, ([127, 0, 0, 1], 1).into());
            way.rounds = p99.iter().map(|ms| (Duration::from_millis(1), Duration::from_millis(*ms))).collect();
            way
        };
        let ways = [way("straight", &[3, 2, 9]), way("Umbra", &[4, 4, 5])];
        let text = Report { rate: 1000, ways: &ways }.to_string();
        assert!(text.contains("Umbra: p50 1.00 ms, p99 4.00 ms; added p99 +1.00 ms"), "{text}");
    }
}
