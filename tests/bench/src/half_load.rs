//! The latency that a proxy adds at half of what it can do: the same fixed rate straight to the upstream and through it.
//!
//! What is due in a millisecond is sent together. h2load's `--rps` sends what has become due every ten, on all
//! connections together: a full load with pauses, whose latency is that of the queue which it makes itself.
//!
//! The ways take turns of half a second. A machine that is shared stands still now and then, for some milliseconds and with
//! everything on it, about once in such a turn where its processors are busy: one pause decides the 99th percentile of what is around
//! it, whatever the way. So each way's figures are the medians over tenths of a second, in which whatever a proxy does
//! regularly happens several times; that of all requests together stands beside them.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use umbra_tests::load::{Sample, percentile};

use crate::awake::{self, Awake};
use crate::load::Load;
use crate::median::Spread;
use crate::paced::{Paced, PacedLoad};
use crate::stop::Stop;

/// As plain as wrk's.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/// What one turn measures.
const TURN: Duration = Duration::from_millis(500);
/// What one percentile is of. A multiple of what proxies do by the clock: records are handed over each 20 ms, and sent each 50.
const STRETCH: Duration = Duration::from_millis(100);
/// Before it: connections are made, and whatever a first request costs.
const WARM_UP: Duration = Duration::from_millis(200);
const TURNS_A_SECOND: u32 = 2;

/// One way to the upstream, and what requests took on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    /// Where it leads through.
    pub name: String,
    at: SocketAddr,
    stretches: Vec<Stretch>,
    samples: Vec<Sample>,
}

/// What requests took in a tenth of a second.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stretch {
    p50: Duration,
    p99: Duration,
}

impl Way {
    /// A way that has not been measured yet.
    pub fn new(name: impl Into<String>, at: SocketAddr) -> Self {
        Self { name: name.into(), at, stretches: Vec::new(), samples: Vec::new() }
    }

    /// Adds the samples of one turn, by when they were due.
    fn add(&mut self, samples: Vec<Sample>) {
        let number = |sample: &Sample| sample.due.as_nanos() / STRETCH.as_nanos();
        for stretch in samples.chunk_by(|one, next| number(one) == number(next)) {
            let of_all = |percent| percentile(percent, stretch).unwrap_or_default();
            self.stretches.push(Stretch { p50: of_all(50), p99: of_all(99) });
        }
        self.samples.extend(samples);
    }

    /// What the stretches say, in milliseconds.
    fn spread(&self, pick: fn(&Stretch) -> Duration) -> Spread {
        Spread::of(self.stretches.iter().map(|stretch| ms(pick(stretch)))).unwrap_or_default()
    }

    /// The 99th percentile of all requests.
    fn p99_of_all(&self) -> Duration {
        percentile(99, &self.samples).unwrap_or_default()
    }

    fn failed(&self) -> usize {
        self.samples.iter().filter(|sample| !sample.good).count()
    }
}

/// How the load kept its times.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Punctuality {
    /// Turns in which it was not before everything else on the processors.
    waited: u32,
    /// Whether the processors were kept from sleeping.
    awake: bool,
    /// How often it was put on a processor a millisecond or more late.
    late: u32,
    /// For so long it ran.
    time: Duration,
}

/// Loads the ways by turns, each for `rounds` times the load's seconds, at `rate` requests in a second over all connections.
pub fn measure(ways: &mut [Way], rate: u32, rounds: u32, load: Load, stop: &Stop) -> anyhow::Result<Punctuality> {
    let Load { concurrency, seconds } = load;
    eprintln!("at {rate} requests/s, by turns");
    let awake = Awake::ask();
    let mut kept = Punctuality { awake: awake.is_asked(), ..Punctuality::default() };
    for _ in 0..rounds * seconds * TURNS_A_SECOND {
        for way in &mut *ways {
            let paced = PacedLoad::start(way.at, concurrency, rate, REQUEST)?;
            stop.pass(WARM_UP + TURN)?;
            let Paced { mut samples, went_first, late } = paced.finish()?;
            kept.waited += u32::from(!went_first);
            kept.late += late;
            kept.time += WARM_UP + TURN;
            samples.retain(|sample| (WARM_UP..WARM_UP + TURN).contains(&sample.due));
            way.add(samples);
        }
    }
    Ok(kept)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

impl fmt::Display for Punctuality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", awake::describe(self.awake))?;
        let late = f64::from(self.late) / self.time.as_secs_f64();
        if self.waited == 0 {
            write!(
                f,
                "The load went first on these processors (SCHED_FIFO), as one on a machine of its own would. {late:.1} times a second it was \
                 late by a millisecond or more: then the machine stood still"
            )
        } else {
            write!(
                f,
                "The load had to wait for processors like everything else, as it may not go first (SCHED_FIFO): it was late by a millisecond \
                 or more {late:.1} times a second, and then sent together what was due"
            )
        }
    }
}

/// What was measured, of which the first way is the straight one.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Requests in a second.
    pub rate: u32,
    /// The ways.
    pub ways: &'a [Way],
    /// How the load kept its times.
    pub kept: Punctuality,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((straight, through)) = self.ways.split_first() else { return Ok(()) };
        writeln!(
            f,
            "At {} requests/s, half of what the recorder reached, by turns of half a second; medians of {} tenths of a second each:",
            self.rate,
            straight.stretches.len()
        )?;
        let line = |way: &Way| {
            let p50 = way.spread(|stretch| stretch.p50).median;
            let Spread { median: p99, low, high } = way.spread(|stretch| stretch.p99);
            let all = ms(way.p99_of_all());
            format!(
                "{}: p50 {p50:.2} ms, p99 {p99:.2} ms (half of them: {low:.2} to {high:.2}; of all requests {all:.2} ms)",
                way.name
            )
        };
        writeln!(f, "  {}", line(straight))?;
        for way in through {
            writeln!(
                f,
                "  {}; added p99 {:+.2} ms (bound: 1), of all requests {:+.2} ms; {} failed",
                line(way),
                way.spread(|stretch| stretch.p99).median - straight.spread(|stretch| stretch.p99).median,
                ms(way.p99_of_all()) - ms(straight.p99_of_all()),
                way.failed()
            )?;
        }
        writeln!(f, "  {}.", self.kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A way with so many stretches of these latencies.
    fn way(name: &str, stretches: &[&[u64]]) -> Way {
        let mut way = Way::new(name, ([127, 0, 0, 1], 1).into());
        let of_stretch = |(number, took): (usize, &&[u64])| {
            let due = WARM_UP + STRETCH * number as u32;
            let sample = move |ms: &u64| Sample { due, took: Duration::from_millis(*ms), good: *ms < 90 };
            took.iter().map(sample).collect::<Vec<_>>()
        };
        way.add(stretches.iter().enumerate().flat_map(of_stretch).collect());
        way
    }

    #[test]
    fn what_a_way_adds_is_over_the_straight_one() {
        let ways = [way("straight", &[&[3], &[2], &[9]]), way("Umbra", &[&[4], &[4], &[5]])];
        let kept = Punctuality { waited: 0, awake: true, late: 6, time: Duration::from_secs(4) };
        let text = Report { rate: 1000, ways: &ways, kept }.to_string();
        assert!(text.contains("medians of 3 tenths of a second"), "{text}");
        assert!(
            text.contains("straight: p50 3.00 ms, p99 3.00 ms (half of them: 2.50 to 6.00; of all requests 3.00 ms)"),
            "{text}"
        );
        assert!(text.contains("Umbra: p50 4.00 ms, p99 4.00 ms"), "{text}");
        assert!(text.contains("added p99 +1.00 ms (bound: 1), of all requests +1.00 ms; 0 failed"), "{text}");
        assert!(
            text.contains("went first on these processors (SCHED_FIFO)") && text.contains("1.5 times a second"),
            "{text}"
        );
        assert!(text.contains("were kept from sleeping"), "{text}");
        let kept = Punctuality { waited: 1, awake: false, ..kept };
        let text = Report { rate: 1000, ways: &ways, kept }.to_string();
        assert!(text.contains("had to wait for processors like everything else"), "{text}");
        assert!(text.contains("slept whenever there was nothing to do"), "{text}");
    }

    #[test]
    fn one_pause_of_the_machine_is_in_the_figure_of_all_requests_and_not_in_the_median() {
        let (still, mut during) = ([1; 100], [1; 100]);
        during[50..55].fill(95);
        let paused = way("paused", &[&still, &during, &still]);
        let p99 = paused.spread(|stretch| stretch.p99);
        assert_eq!((p99.low, p99.median, p99.high), (1.0, 1.0, 48.0));
        assert_eq!(paused.p99_of_all(), Duration::from_millis(95));
        assert_eq!(paused.failed(), 5);
    }
}
