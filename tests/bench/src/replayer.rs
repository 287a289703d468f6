//! `umbra-bench replayer`: how well the replayer keeps to a schedule, and how fast it is without one.
//!
//! All cells take turns in rounds, and with them a bare sender at each rate: where the machine stands still for some
//! milliseconds, everybody's requests are late. The processors stay [`awake`] for all of them, and sleep when they may while there is no schedule
//! to keep. GoReplay takes its turns too, where it is installed.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use umbra_tests::stores::TestStore;

use crate::awake::{self, Awake};
use crate::broker::Kafka;
use crate::load::{Load, Loader};
use crate::median::median;
use crate::memory::Memory;
use crate::receiver::Receiver;
use crate::stop::Stop;
use crate::{binary, machine};

mod bare;
mod cell;
mod gor;
mod grid;
mod report;

use cell::{Cell, Figures, Pace, Round, Sender};
use gor::Capture;
use grid::Grid;

/// What to measure, and how long.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Rates to keep to, in requests per second; also twice each.
    #[arg(long, value_delimiter = ',', default_values_t = [1000, 5000, 10_000], value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rates: Vec<u32>,
    /// Rounds; medians over them are printed.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Seconds of traffic for each rate, and of each run of wrk.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(2..=600))]
    pub seconds: u32,
    /// Requests of a run at full speed.
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    pub requests: u32,
    /// Also replay so many, as fast as it goes, and look at the memory: 10000000 for the figure of the design. They take
    /// half a kilobyte of disk each.
    #[arg(long, value_parser = clap::value_parser!(u32).range(100_000..=100_000_000))]
    pub records: Option<u32>,
    /// Brokers to replay from, as host:port; started here from Apache's jars where not given.
    #[arg(long)]
    pub kafka: Option<String>,
    /// Leave Kafka out.
    #[arg(long)]
    pub no_kafka: bool,
    /// Connections of wrk, and at most so many of the replayer.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4000))]
    pub connections: u32,
}

/// As many as a topic of some size has: what comes from them has to be put into order.
const PARTITIONS: u16 = 12;
/// The grid of traffic that is sent without a schedule: any will do.
const ANY_RATE: u32 = 10_000;

/// A cell, what it sends, and what came of it so far.
struct Row<'a> {
    cell: Cell,
    source: Source<'a>,
    rounds: Vec<Round>,
}

impl<'a> Row<'a> {
    fn new(rate: u32, sender: Sender, source: Source<'a>) -> Self {
        Self { cell: Cell { rate, sender }, source, rounds: Vec::new() }
    }
}

/// Where requests come from.
enum Source<'a> {
    /// They are made as they are sent.
    Made,
    /// A store, for the replayer.
    Store(&'a Grid, Pace),
    /// A file, for GoReplay.
    File(&'a Capture, &'a Path),
}

/// One run without a schedule, and wrk's beside it.
struct Fastest {
    /// Requests in a second.
    rate: f64,
    /// Microseconds of CPU for each.
    cpu: f64,
    received: u64,
    /// Requests in a second.
    wrk: f64,
}

/// Writes traffic on an exact grid into a store, replays it, prints the table to `out`.
pub fn run(options: &Options, stop: &Stop, out: &mut dyn Write) -> anyhow::Result<()> {
    let before = machine::load_average();
    let wrk = Loader::wrk()?;
    binary::build("umbra-replayer")?;
    let receiver = Receiver::start()?;
    let dir = tempfile::tempdir()?;

    eprintln!("writing the traffic");
    let kafka = (!options.no_kafka).then(|| Kafka::find(options.kafka.as_deref()));
    let mut grids = Vec::new();
    for rate in &options.rates {
        stop.check()?;
        let count = rate * options.seconds;
        grids.push(Grid::write("SQLite", *rate, count, TestStore::sqlite())?);
        if let Some(kafka) = &kafka {
            grids.push(Grid::write("Kafka", *rate, count, TestStore::at(&kafka.topic_with(PARTITIONS)))?);
        }
    }
    let unpaced = Grid::write("SQLite", ANY_RATE, options.requests, TestStore::sqlite())?;

    let gor = gor::installed();
    let capture = |rate: &u32| Capture::write(*rate, rate * options.seconds, dir.path());
    let captures = gor.iter().flat_map(|_| &options.rates).map(capture).collect::<anyhow::Result<Vec<_>>>()?;
    let played = gor.iter().flat_map(|program| captures.iter().map(|capture| (capture, program.as_path())));

    let (mut rows, mut fastest) = (rows(&grids, played), Vec::new());
    let mut stayed_awake = true;
    for round in 1..=options.rounds {
        let awake = Awake::ask();
        stayed_awake &= awake.is_asked();
        for row in &mut rows {
            stop.check()?;
            eprintln!("round {round} of {}: {}", options.rounds, row.cell);
            let one = one(row, options, (&receiver, dir.path()), stop)
                .with_context(|| format!("round {round} of {}", row.cell))?;
            row.rounds.push(one);
        }
        drop(awake);
        eprintln!("round {round} of {}: as fast as it goes", options.rounds);
        fastest.push(flat_out(&unpaced, &wrk, options, (&receiver, dir.path()), stop)?);
    }

    let all: Vec<Figures> = rows.iter().filter_map(|row| Figures::of(row.cell, &row.rounds)).collect();
    writeln!(
        out,
        "\nTo a receiver on one thread that reads bodies, from SQLite and from Kafka with {PARTITIONS} partitions, loopback; {}.",
        machine::describe(before)
    )?;
    writeln!(
        out,
        "Medians of {} rounds of {} s of recorded traffic, interleaved; of all rounds the largest lag max, and sums of what was sent.",
        options.rounds, options.seconds
    )?;
    writeln!(out, "{}\n", awake::describe(stayed_awake))?;
    writeln!(out, "{}", report::table(&all))?;
    for line in report::bounds(&all) {
        writeln!(out, "{line}")?;
    }
    let lost_unpaced = say_fastest(&fastest, &unpaced, out)?;
    match gor {
        Some(_) => writeln!(
            out,
            "GoReplay was ended after {} times the length of the traffic: what its rows lack it had not sent by then.",
            gor::PATIENCE
        )?,
        None => writeln!(out, "GoReplay was not measured: neither gor nor goreplay is installed")?,
    }
    if let Some(records) = options.records {
        eprintln!("{records} records");
        let grid = Grid::write("SQLite", ANY_RATE, records, TestStore::sqlite())?;
        let mut memory = Memory::default();
        let run = grid.replay(&flat(), options.connections, &receiver, stop, &mut |pid| memory.look(pid))?;
        writeln!(out, "{} of {records} records received: {memory}", run.received.len())?;
    }
    let losses = report::losses(&all);
    ensure!(losses.is_empty() && !lost_unpaced, "not every request arrived once:\n{}", losses.join("\n"));
    Ok(())
}

/// In the order of rates, at each the bare sender first and GoReplay last.
fn rows<'a>(grids: &'a [Grid], played: impl Iterator<Item = (&'a Capture, &'a Path)>) -> Vec<Row<'a>> {
    let replayed = grids.iter().flat_map(|grid| {
        Pace::ALL.map(|pace| {
            let sender = Sender::Replayer { pace, from: grid.from };
            Row::new(pace.of(grid.rate), sender, Source::Store(grid, pace))
        })
    });
    let replayed: Vec<Row<'_>> = replayed.collect();
    let mut rates: Vec<u32> = replayed.iter().map(|row| row.cell.rate).collect();
    rates.sort_unstable();
    rates.dedup();
    let bare = rates.into_iter().map(|rate| Row::new(rate, Sender::Bare, Source::Made));
    let played =
        played.map(|(capture, program)| Row::new(capture.rate, Sender::GoReplay, Source::File(capture, program)));
    let mut rows: Vec<Row<'_>> = bare.chain(replayed).chain(played).collect();
    rows.sort_by_key(|row| row.cell.rate);
    rows
}

fn one(row: &Row<'_>, options: &Options, (receiver, dir): (&Receiver, &Path), stop: &Stop) -> anyhow::Result<Round> {
    let rate = row.cell.rate;
    let (run, sent) = match row.source {
        Source::Made => {
            let count = rate * options.seconds;
            (bare::run(rate, count, receiver, stop)?, count)
        }
        Source::Store(grid, pace) => {
            let pace = pace.arguments(grid.rate);
            (grid.replay(&pace, options.connections, receiver, stop, &mut |_| {})?, grid.count)
        }
        Source::File(capture, program) => (capture.play(program, receiver, dir, stop)?, capture.count),
    };
    Round::of(&run, sent, rate)
}

fn flat() -> [String; 2] {
    ["--rate".into(), "max".into()]
}

fn flat_out(
    grid: &Grid,
    wrk: &Loader,
    options: &Options,
    (receiver, dir): (&Receiver, &Path),
    stop: &Stop,
) -> anyhow::Result<Fastest> {
    let run = grid.replay(&flat(), options.connections, receiver, stop, &mut |_| {})?;
    let (first, last) =
        run.received.iter().fold((Duration::MAX, Duration::ZERO), |(a, b), r| (a.min(r.at), b.max(r.at)));
    let load = Load { concurrency: options.connections, seconds: options.seconds };
    let peer = wrk.run(receiver.addr(), "/", load, dir, stop)?;
    Ok(Fastest {
        rate: run.received.len() as f64 / last.saturating_sub(first).as_secs_f64(),
        cpu: run.cpu_per_request().as_secs_f64() * 1e6,
        received: run.received.len() as u64,
        wrk: peer.requests as f64 / f64::from(options.seconds),
    })
}

/// Whether some of it did not arrive.
fn say_fastest(rounds: &[Fastest], grid: &Grid, out: &mut dyn Write) -> anyhow::Result<bool> {
    let of = |figure: fn(&Fastest) -> f64| median(rounds.iter().map(figure)).context("no rounds");
    let (rate, wrk, ratio, cpu) = (of(|f| f.rate)?, of(|f| f.wrk)?, of(|f| f.rate / f.wrk)?, of(|f| f.cpu)?);
    let received: u64 = rounds.iter().map(|f| f.received).sum();
    let sent = u64::from(grid.count) * rounds.len() as u64;
    writeln!(
        out,
        "rate max: {received} of {sent} received, {rate:.0} requests/s, {ratio:.2} × wrk's {wrk:.0} (bound: 0.45); \
         {cpu:.2} µs of CPU per request (bound: 16)"
    )?;
    Ok(received != sent)
}
