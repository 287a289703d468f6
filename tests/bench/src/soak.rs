//! `umbra-bench soak`: all kinds of traffic at once for some minutes, and the recorder's memory meanwhile.

mod traffic;

use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use umbra_common::time::HumanDuration;
use umbra_tests::flood::FloodOrigin;

use crate::binary::Measured;
use crate::contender::Contender;
use crate::load::Loader;
use crate::stop::Stop;
use crate::{binary, machine, usage};
use traffic::Traffic;

/// How long, and where records go.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// How long.
    #[arg(long, default_value = "5m", value_name = "DURATION")]
    pub duration: HumanDuration,
    /// Record here instead of to an SQLite file of at most 256 MiB.
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// Which recorder.
    #[command(flatten)]
    pub measured: Measured,
}

/// What the process has at the beginning is not yet what it needs: pools fill, caches grow.
const WARM_UP: f64 = 0.2;

/// How often memory is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Lines of the report.
const LINES: usize = 12;

/// One look at the memory: seconds since the start, bytes resident.
type Sample = (f64, u64);

/// Runs it and prints what the memory did to `out`.
pub fn run(options: &Options, stop: &Stop, out: &mut dyn Write) -> anyhow::Result<()> {
    let before = machine::load_average();
    let duration = options.duration.0;
    ensure!(duration >= LOOK * 10, "--duration {}: memory shows no slope in less than 10s", options.duration);
    let h2load = Loader::h2load().context("h2load makes a part of the load: apt-get install nghttp2-client")?;
    let program = options.measured.find()?;
    let dir = tempfile::tempdir_in(binary::target_dir()?)?;
    let origin = FloodOrigin::start();
    let file = format!("sqlite:{}?max_size=256MiB", dir.path().join("soak.db").display());
    let store = options.store.as_deref().unwrap_or(&file);
    let recorder = Contender::recorder(&program, store, origin.addr(), dir.path())?;
    let traffic = Traffic::start(recorder.http1, &h2load, duration, dir.path(), stop);
    let samples = watch(recorder.running.pid(), duration, stop)?;
    let done = traffic.end()?;
    let counts = recorder.counts()?.context("a recorder has a ledger")?;
    writeln!(out, "\nMixed traffic for {} on {}: {done}", options.duration, machine::describe(before))?;
    writeln!(out, "Recorded {}, dropped {}.\n", counts.recorded, counts.dropped)?;
    for (at, bytes) in samples.iter().step_by(samples.len().div_ceil(LINES)) {
        writeln!(out, "{at:6.0} s {:8.1} MiB", mib(*bytes))?;
    }
    writeln!(out, "\n{}", Flatness::of(&samples).context("too few looks at the memory")?)?;
    Ok(())
}

fn watch(pid: u32, duration: Duration, stop: &Stop) -> anyhow::Result<Vec<Sample>> {
    let begin = Instant::now();
    let mut samples = Vec::new();
    while begin.elapsed() < duration {
        stop.check()?;
        sleep(LOOK);
        ensure!(usage::is_running(pid), "the recorder has ended");
        samples.push((begin.elapsed().as_secs_f64(), usage::resident(pid)));
    }
    Ok(samples)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// How much the memory grew after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Flatness {
    first: u64,
    last: u64,
    most: u64,
    /// By least squares, in bytes a second.
    slope: f64,
}

impl Flatness {
    fn of(samples: &[Sample]) -> Option<Self> {
        let warm = &samples[(samples.len() as f64 * WARM_UP) as usize..];
        let n = warm.len() as f64;
        let (first, last) = (warm.first()?.1, warm.last()?.1);
        let (at, held) = warm.iter().fold((0.0, 0.0), |(t, b), s| (t + s.0 / n, b + s.1 as f64 / n));
        let (mut both, mut square) = (0.0, 0.0);
        for (t, b) in warm {
            both += (t - at) * (*b as f64 - held);
            square += (t - at) * (t - at);
        }
        let most = warm.iter().map(|s| s.1).max()?;
        (square > 0.0).then(|| Self { first, last, most, slope: both / square })
    }
}

impl std::fmt::Display for Flatness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const MINUTE: f64 = 60.0;
        write!(
            f,
            "After the warm-up: {:.1} MiB at first, {:.1} MiB at last, {:.1} MiB at most; slope {:+.2} MiB a minute",
            mib(self.first),
            mib(self.last),
            mib(self.most),
            self.slope * MINUTE / f64::from(1 << 20)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_is_a_slope_and_a_warm_up_is_none() {
        let leak: Vec<Sample> = (0..100).map(|s| (f64::from(s), 1000 + 7 * s as u64)).collect();
        let flat = Flatness::of(&leak).unwrap();
        assert!((flat.slope - 7.0).abs() < 1e-6 && flat.first == 1140 && flat.last == 1693, "{flat:?}");
        let warmed: Vec<Sample> = (0..100).map(|s| (f64::from(s), if s < 15 { s as u64 } else { 500 })).collect();
        assert!(Flatness::of(&warmed).unwrap().slope.abs() < 1e-9);
        assert_eq!(Flatness::of(&[]), None);
    }
}
