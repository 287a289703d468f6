//! `umbra-bench faults`: what each way for a store to fail costs the requests that pass a recorder meanwhile.
//!
//! A second load of the same rate goes past the recorder, straight to the upstream: what a fault does to the machine (a
//! broker that starts again takes both processors) hits both, and only the difference is the recorder's. The processors stay [`awake`].

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use comfy_table::Table;
use serde_json::Value;
use umbra_tests::faults::{Fault, FaultyStore};
use umbra_tests::load::{Sample, SteadyLoad, percentile, post};

use crate::awake::{self, Awake};
use crate::running::{Running, free_address, get};
use crate::stop::Stop;
use crate::upstream::Upstream;
use crate::{binary, machine, report, usage};

/// What to measure, and how long.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Requests a second.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub rate: u32,
    /// Connections that they come over.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub connections: u32,
    /// Bytes of each request's body.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(701..=60_000))]
    pub body: u32,
    /// Seconds before, during and after each fault.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,
    /// Only faults with this in their names.
    #[arg(long, value_name = "WORDS")]
    pub only: Option<String>,
}

/// What one fault did.
struct Outcome {
    fault: Fault,
    samples: Vec<Sample>,
    /// Of the load that passes no recorder.
    straight: Vec<Sample>,
    /// When it began, when its cause was removed, and when recording had resumed, since the load began.
    began: Duration,
    mended: Duration,
    resumed: Option<Duration>,
    resident_before: u64,
    resident_peak: u64,
    /// What `/status` gave as the reason.
    said: Option<String>,
    sum: String,
}

/// How long recording may take to resume.
const RESUME: Duration = Duration::from_secs(60);
/// Between two looks at the recorder.
const LOOK: Duration = Duration::from_millis(50);

/// Runs every fault, prints the table to `out`. Progress goes to standard error.
pub fn run(options: &Options, stop: &Stop, out: &mut dyn Write) -> anyhow::Result<()> {
    let before = machine::load_average();
    binary::build("umbra-recorder")?;
    let dir = tempfile::tempdir_in(binary::target_dir()?)?;
    let upstream = Upstream::start(dir.path())?;
    let mut table = Table::new();
    table.load_style(report::RULES).set_header([
        "fault",
        "requests",
        "failed",
        "p99 ms before",
        "during",
        "after",
        "slowest ms",
        "straight p99 ms before",
        "during",
        "after",
        "RSS MiB before",
        "peak",
        "resumed after s",
        "ledger",
    ]);
    let mut reasons = Vec::new();
    let awake = Awake::ask();
    let wanted = |fault: &&Fault| options.only.as_deref().is_none_or(|words| fault.name().contains(words));
    for fault in Fault::ALL.iter().filter(wanted) {
        stop.check()?;
        eprintln!("{}", fault.name());
        let outcome = one(*fault, options, &upstream, dir.path(), stop).with_context(|| fault.name())?;
        table.add_row(row(&outcome));
        reasons.push(format!(
            "{}: {}",
            fault.name(),
            outcome.said.as_deref().unwrap_or("mended before a word was due")
        ));
    }
    ensure!(!reasons.is_empty(), "--only names no fault");
    writeln!(
        out,
        "\n{} requests/s with {} bytes over {} connections, {} s before, during and after each fault; {}. {}\n",
        options.rate,
        options.body,
        options.connections,
        options.seconds,
        machine::describe(before),
        awake::describe(awake.is_asked())
    )?;
    write!(out, "{}", report::lines(&mut table, 1))?;
    writeln!(out, "\nWhat /status said:")?;
    reasons.iter().try_for_each(|reason| writeln!(out, "  {reason}"))?;
    Ok(())
}

fn one(fault: Fault, options: &Options, upstream: &Upstream, dir: &Path, stop: &Stop) -> anyhow::Result<Outcome> {
    let mut store = FaultyStore::new(fault);
    let (at, admin) = (free_address()?, free_address()?);
    let mut command = Command::new(binary::path("umbra-recorder")?);
    command.arg("--config").arg(store.config()).args(["--workers", "1", "--memory-limit", "16MiB"]).args([
        "--listen",
        &at.to_string(),
        "--admin",
        &admin.to_string(),
        "--upstream",
        &format!("http://{}", upstream.production),
    ]);
    let mut recorder = Running::start("umbra-faults", &mut command, dir)?;
    recorder.answers(at)?;
    let status =
        || -> anyhow::Result<Value> { Ok(serde_json::from_str(&get(admin, "/status").context("no /status")?)?) };
    let recorded = || -> anyhow::Result<u64> { status()?["ledger"]["ended"]["recorded"].as_u64().context("no ledger") };
    let phase = Duration::from_secs(options.seconds.into());

    let load_to = |to| SteadyLoad::start(to, options.connections, options.rate, &post(options.body as usize));
    let (straight, load) = (load_to(upstream.production), load_to(at));
    stop.pass(phase)?;
    let resident_before = usage::resident(recorder.pid());
    let peak = Peak::of(recorder.pid())?;

    let began = load.elapsed();
    store.break_it();
    let mut said = None;
    let until = Instant::now() + phase;
    while Instant::now() < until {
        stop.check()?;
        said = status()?["store"]["error"].as_str().map(ToOwned::to_owned).or(said);
        sleep(LOOK);
    }
    store.mend();
    let (mended, from) = (load.elapsed(), recorded()?);
    let mut resumed = None;
    while resumed.is_none() && load.elapsed() < mended + RESUME {
        stop.check()?;
        resumed = (recorded()? > from + u64::from(options.rate) / 10).then(|| load.elapsed());
        sleep(LOOK);
    }
    stop.pass(phase)?;
    let (samples, straight) = (load.finish(), straight.finish());
    Ok(Outcome {
        fault,
        samples,
        straight,
        began,
        mended,
        resumed,
        resident_before,
        resident_peak: peak.end(),
        said,
        sum: settled(status)?,
    })
}

/// The ledger's sum once every request has ended in it.
fn settled(status: impl Fn() -> anyhow::Result<Value>) -> anyhow::Result<String> {
    /// Longer than a record is waited for.
    const LONGEST: Duration = Duration::from_secs(30);
    let until = Instant::now() + LONGEST;
    loop {
        let ledger = status()?["ledger"].clone();
        if ledger["open"] == 0 || Instant::now() > until {
            return Ok(ledger["sum"].as_str().context("no sum in the ledger")?.to_owned());
        }
        sleep(LOOK);
    }
}

/// The most that a process holds while this lives.
struct Peak {
    most: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Peak {
    fn of(pid: u32) -> anyhow::Result<Self> {
        let (most, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let peak = Self { most: Arc::clone(&most), stop: Arc::clone(&stop) };
        thread::Builder::new().name("peak".into()).spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                most.fetch_max(usage::resident(pid), Ordering::Relaxed);
                sleep(LOOK);
            }
        })?;
        Ok(peak)
    }

    fn end(self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }
}

impl Drop for Peak {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn row(outcome: &Outcome) -> [String; 14] {
    let Outcome { samples, straight, began, mended, resumed, .. } = outcome;
    let ms = |time: Option<Duration>| time.map_or_else(|| "-".into(), |t| format!("{:.2}", t.as_secs_f64() * 1e3));
    let during = |samples: &[Sample], from: Duration, to: Duration| {
        let first = samples.partition_point(|s| s.due < from);
        let last = samples.partition_point(|s| s.due < to);
        ms(percentile(99, &samples[first..last.max(first)]))
    };
    let phases = |samples: &[Sample]| {
        [(Duration::ZERO, *began), (*began, *mended), (resumed.unwrap_or(*mended), Duration::MAX)]
            .map(|(from, to)| during(samples, from, to))
    };
    let ([before, meanwhile, after], [straight_before, straight_meanwhile, straight_after]) =
        (phases(samples), phases(straight));
    let mib = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
    [
        outcome.fault.name().into(),
        samples.len().to_string(),
        samples.iter().filter(|s| !s.good).count().to_string(),
        before,
        meanwhile,
        after,
        ms(samples.iter().map(|s| s.took).max()),
        straight_before,
        straight_meanwhile,
        straight_after,
        mib(outcome.resident_before),
        mib(outcome.resident_peak),
        resumed.map_or_else(|| "no".into(), |at| format!("{:.1}", (at - *mended).as_secs_f64())),
        outcome.sum.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_tells_the_phases_apart() {
        let second = Duration::from_secs;
        let sample = |at, ms, good| Sample { due: second(at), took: Duration::from_millis(ms), good };
        let outcome = Outcome {
            fault: Fault::Locked,
            samples: vec![sample(0, 1, true), sample(4, 9, false), sample(9, 3, true), sample(11, 2, true)],
            straight: vec![sample(1, 4, true), sample(5, 5, true), sample(12, 6, true)],
            began: second(2),
            mended: second(8),
            resumed: Some(second(10)),
            resident_before: 1 << 20,
            resident_peak: 3 << 20,
            said: None,
            sum: "seen 4 = recorded 4".into(),
        };
        let row = row(&outcome);
        let straight = ["4.00", "5.00", "6.00"];
        assert_eq!(row[1..7], ["4", "1", "1.00", "9.00", "2.00", "9.00"]);
        assert_eq!(row[7..10], straight);
        assert_eq!(row[10..13], ["1.0", "3.0", "2.0"]);
    }
}
