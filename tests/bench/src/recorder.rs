//! `umbra-bench recorder`: the recorder beside its peers, in one run.

use std::io::Write;
use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;

use crate::binary::Measured;
use crate::broker::Kafka;
use crate::contender::{Contender, Kind, Stage};
use crate::figures::Figures;
use crate::half_load::{self, Way};
use crate::idle;
use crate::load::{Load, Loader, STREAMS};
use crate::rounds::{self, Row};
use crate::stop::Stop;
use crate::upstream::Upstream;
use crate::work::Work;
use crate::{binary, machine, report};

/// What is measured also where all would take too long.
const IN_SHORT: [Kind; 3] = [Kind::UmbraOff, Kind::UmbraKafka, Kind::Nginx];

/// A new broker is broken in for so many times what each row is warmed up.
const BREAK_IN: u32 = 4;

/// What to measure, and how long.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Rounds; medians over them are printed.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Seconds that each row is loaded in each round.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,
    /// Seconds that each row is loaded before the first round, which are not in the figures. A broker that was started for this has been
    /// sent small requests for four times as long before: it compiles its code, on the same processors, until it has run some ten thousand
    /// times, and most of it runs once for each request.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=600))]
    pub warm_up: u32,
    /// Requests under way at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4000))]
    pub connections: u32,
    /// Measure only these.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub only: Vec<Kind>,
    /// Measure them under these loads alone. More rounds fit into the same time, and a machine that is disturbed takes many.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub loads: Vec<Work>,
    /// Which recorder.
    #[command(flatten)]
    pub measured: Measured,
    /// Record to these brokers instead of starting one from Apache's jars.
    #[arg(long, env = "UMBRA_TEST_KAFKA", value_name = "HOST:PORT")]
    pub kafka: Option<String>,
}

/// Starts everything, loads it, prints the table to `out`. Progress goes to standard error.
pub fn run(options: &Options, stop: &Stop, out: &mut dyn Write) -> anyhow::Result<()> {
    let before = machine::load_average();
    let wrk = Loader::wrk()?;
    let h2load = Loader::h2load();
    let wanted = |kind: &&Kind| options.only.is_empty() || options.only.contains(kind);
    let (kinds, missing): (Vec<Kind>, Vec<Kind>) =
        clap::ValueEnum::value_variants().iter().filter(wanted).partition(|k| Kind::is_installed(**k));
    ensure!(!kinds.is_empty(), "none of what --only names is installed");
    let has_umbra = kinds.iter().any(|kind| kind.needs().is_none());
    let recorder = if has_umbra { options.measured.find()? } else { PathBuf::new() };
    // Beside the binaries: where /tmp is memory, a store of a gigabyte would be measured with it.
    let dir = tempfile::tempdir_in(binary::target_dir()?)?;
    let kafka = kinds.contains(&Kind::UmbraKafka).then(|| Kafka::find(options.kafka.as_deref()));

    let upstream = Upstream::start(dir.path())?;
    let stage = Stage { recorder: &recorder, upstream: &upstream, dir: dir.path() };
    let load = Load { concurrency: options.connections, seconds: options.seconds };
    let new = kafka.as_ref().filter(|kafka| kafka.is_new() && options.warm_up > 0);
    let broken_in = new.map(|kafka| break_in(kafka, stage, &wrk, options.warm_up, stop)).transpose()?;
    let contenders: Vec<Contender> = kinds
        .iter()
        .map(|kind| {
            stop.check()?;
            Contender::start(*kind, stage, kafka.as_ref())
        })
        .collect::<anyhow::Result<_>>()?;

    let works = [(Work::Http1, Some(&wrk)), (Work::Http2, h2load.as_ref()), (Work::Large, Some(&wrk))];
    let mut rows: Vec<Row<'_>> = works
        .into_iter()
        .filter(|(work, _)| options.loads.is_empty() || options.loads.contains(work))
        .filter_map(|(work, loader)| Some((work, loader?)))
        .flat_map(|(work, loader)| {
            let measured = contenders.iter().filter(move |c| work != Work::Large || IN_SHORT.contains(&c.kind));
            measured.map(move |contender| Row { contender, work, loader, rounds: Vec::new() })
        })
        .collect();
    if options.warm_up > 0 {
        let load = Load { seconds: options.warm_up, ..load };
        rounds::warm_up(&rows, load, dir.path(), stop, &|row| {
            eprintln!("warm-up: {}, {}", row.contender.kind, row.work);
        })?;
    }
    rounds::run(&mut rows, options.rounds, load, dir.path(), stop, &|round, row| {
        eprintln!("round {round} of {}: {}, {}", options.rounds, row.contender.kind, row.work);
    })?;

    let all: Vec<Figures> =
        rows.iter().filter_map(|row| Figures::of(row.contender.kind, row.work, &row.rounds)).collect();
    writeln!(
        out,
        "\nOne worker thread each, {} behind all of them, loopback; {}.",
        upstream.what,
        machine::describe(before)
    )?;
    writeln!(
        out,
        "Medians of {} rounds of {} s, interleaved, after {} s of each row; {} requests under way: one on each HTTP/1.1 connection, {STREAMS} on \
         each HTTP/2 connection.\nWhat is said of two rows is the median of what the rounds say of them.\n",
        options.rounds, options.seconds, options.warm_up, options.connections
    )?;
    write!(out, "{}", report::text(&all))?;
    at_half_load(&contenders, &all, &upstream, (options.rounds, load), stop, out)?;
    for kind in [Kind::UmbraSqlite, Kind::Nginx].into_iter().filter(|kind| kinds.contains(kind)) {
        writeln!(out, "{}", idle::measure(kind, stage, stop)?)?;
    }
    if has_umbra {
        writeln!(out, "The recorder: {}.", options.measured)?;
    }
    if let Some(kafka) = kafka {
        let before = broken_in.map(|seconds| format!("; small requests were sent to it for {seconds} s before"));
        writeln!(out, "Recorded to {kafka}{}.", before.unwrap_or_default())?;
    }
    for kind in missing {
        writeln!(out, "{kind} was not measured: {} is not installed", kind.needs().unwrap_or("it"))?;
    }
    if h2load.is_none() {
        writeln!(out, "HTTP/2 was not measured: h2load is not installed (apt-get install nghttp2-client)")?;
    }
    Ok(())
}

/// Has the broker run what it runs for each request some ten thousand times. For how many seconds that was done.
fn break_in(kafka: &Kafka, stage: Stage<'_>, wrk: &Loader, warm_up: u32, stop: &Stop) -> anyhow::Result<u32> {
    let load = Load { concurrency: 64, seconds: warm_up * BREAK_IN };
    eprintln!("small requests to the broker for {} s", load.seconds);
    let hasty = Contender::hasty(stage, kafka)?;
    wrk.run(hasty.http1, Work::Http1.path(), load, stage.dir, stop)?;
    let recorded = hasty.counts()?.unwrap_or_default().recorded;
    ensure!(recorded > 0, "the broker has recorded none of the requests that were to warm it up");
    Ok(load.seconds)
}

/// The latency that the recorder adds, with recording and without, beside nginx's, at half of the rate that it reached.
fn at_half_load(
    contenders: &[Contender],
    all: &[Figures],
    upstream: &Upstream,
    (rounds, load): (u32, Load),
    stop: &Stop,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let recording = all.iter().find(|f| f.kind.records() && f.work == Work::Http1);
    let Some(recording) = recording else { return Ok(()) };
    let rate = (recording.rate / 2.0) as u32;
    // Without recording too: only what is beyond that is of the recording.
    let through = contenders.iter().filter(|c| c.kind.records() || matches!(c.kind, Kind::UmbraOff | Kind::Nginx));
    let mut ways = vec![Way::new("straight to the upstream", upstream.production)];
    ways.extend(through.map(|c| Way::new(c.kind.to_string(), c.http1)));
    let kept = half_load::measure(&mut ways, rate, rounds, load, stop)?;
    write!(out, "\n{}", half_load::Report { rate, ways: &ways, kept })?;
    Ok(())
}
