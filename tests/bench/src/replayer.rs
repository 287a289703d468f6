//! `umbra-bench replayer`: how well the replayer keeps to a schedule, and how fast it is without one.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use comfy_table::Table;
use umbra_common::rate::Rate;
use umbra_common::time::{Timestamp, Window};
use umbra_tests::exchanges;
use umbra_tests::stores::TestStore;

use crate::broker::Kafka;
use crate::load::{Load, Loader};
use crate::memory::Memory;
use crate::receiver::{self, Receiver};
use crate::stop::Stop;
use crate::timing::Timing;
use crate::{binary, machine, report, running, usage};

/// What to measure, and how long.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Rates to keep to, in requests per second.
    #[arg(long, value_delimiter = ',', default_values_t = [1000, 5000, 10_000], value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rates: Vec<u32>,
    /// Seconds of traffic for each rate.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=600))]
    pub seconds: u32,
    /// Requests of the run at full speed.
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

/// One run of the replayer, as its users run it.
struct Run {
    received: Vec<receiver::Arrival>,
    /// User and system time of the whole process, its start included.
    cpu: Duration,
}

/// Writes traffic on an exact grid into a store, replays it, prints the table to `out`.
pub fn run(options: &Options, stop: &Stop, out: &mut dyn Write) -> anyhow::Result<()> {
    let before = machine::load_average();
    let wrk = Loader::wrk()?;
    binary::build("umbra-replayer")?;
    let receiver = Receiver::start()?;
    let dir = tempfile::tempdir()?;
    let mut table = Table::new();
    table.load_style(report::RULES).set_header([
        "pace",
        "from",
        "sent",
        "received",
        "lag p50 ms",
        "lag p99 ms",
        "lag p99.9 ms",
        "lag max ms",
        "drift %",
        "worst second %",
        "CPU µs/request",
    ]);

    let kafka = (!options.no_kafka).then(|| Kafka::find(options.kafka.as_deref()));
    for rate in &options.rates {
        let count = rate * options.seconds;
        let mut grids = vec![("SQLite", Grid::write(*rate, count, TestStore::sqlite())?)];
        if let Some(kafka) = &kafka {
            grids.push(("Kafka", Grid::write(*rate, count, TestStore::at(&kafka.topic_with(PARTITIONS)))?));
        }
        for (from, grid) in grids {
            for (name, times, pace) in [
                ("as recorded", 1, ["--speed".into(), "1x".into()]),
                ("twice as fast", 2, ["--speed".into(), "2x".into()]),
                ("constant", 1, ["--rate".into(), format!("{rate}/s")]),
            ] {
                stop.check()?;
                eprintln!("{rate}/s, {name}, from {from}");
                let run = grid.replay(&pace, options.connections, &receiver, stop)?;
                let rate = Rate::per_second(rate * times).context("a rate of zero")?;
                let timing = Timing::of(&run.received, rate).context("the replayer sent nothing")?;
                let ms = |d: Duration| format!("{:.3}", d.as_secs_f64() * 1e3);
                table.add_row([
                    format!("{rate}, {name}"),
                    from.to_owned(),
                    grid.count.to_string(),
                    run.received.len().to_string(),
                    ms(timing.p50),
                    ms(timing.p99),
                    ms(timing.p999),
                    ms(timing.max),
                    format!("{:+.4}", timing.drift * 100.0),
                    format!("{:.2}", timing.worst_second * 100.0),
                    format!("{:.2}", run.cpu_per_request()),
                ]);
            }
        }
    }

    /// The grid of traffic that is sent without a schedule: any will do.
    const ANY_RATE: u32 = 10_000;
    let grid = Grid::write(ANY_RATE, options.requests, TestStore::sqlite())?;
    eprintln!("as fast as it goes");
    let run = grid.replay(&["--rate".into(), "max".into()], options.connections, &receiver, stop)?;
    let (first, last) =
        run.received.iter().fold((Duration::MAX, Duration::ZERO), |(a, b), r| (a.min(r.at), b.max(r.at)));
    let fastest = run.received.len() as f64 / last.saturating_sub(first).as_secs_f64();
    eprintln!("wrk against the same receiver");
    let load = Load { concurrency: options.connections, seconds: options.seconds };
    let peer = wrk.run(receiver.addr(), "/", load, dir.path(), stop)?;
    let peer = peer.requests as f64 / f64::from(options.seconds);

    writeln!(
        out,
        "\nTo a receiver on one thread that reads bodies, from SQLite and from Kafka with {PARTITIONS} partitions, loopback; {}.\n",
        machine::describe(before)
    )?;
    write!(out, "{}", report::lines(&mut table, 2))?;
    writeln!(
        out,
        "\nrate max: {} of {} received, {fastest:.0} requests/s, {:.2} × wrk's {peer:.0} (bound: 0.45); \
         {:.2} µs of CPU per request (bound: 16)",
        run.received.len(),
        grid.count,
        fastest / peer,
        run.cpu_per_request()
    )?;
    if let Some(records) = options.records {
        eprintln!("{records} records");
        let grid = Grid::write(ANY_RATE, records, TestStore::sqlite())?;
        let mut memory = Memory::default();
        let max = ["--rate".into(), "max".into()];
        let run = grid.watched(&max, options.connections, &receiver, stop, &mut |pid| memory.look(pid))?;
        writeln!(out, "{} of {records} records received: {memory}", run.received.len())?;
    }
    Ok(())
}

impl Run {
    fn cpu_per_request(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / (self.received.len().max(1)) as f64
    }
}

/// Traffic that arrived at exactly equal distances.
struct Grid {
    store: TestStore,
    window: Window,
    count: u32,
}

impl Grid {
    fn write(rate: u32, count: u32, store: TestStore) -> anyhow::Result<Self> {
        /// Exchanges in memory at a time.
        const CHUNK: usize = 20_000;
        let rate = Rate::per_second(rate).context("a rate of zero")?;
        let start = Timestamp::now().before(Duration::from_secs(3600));
        let numbers: Vec<u32> = (0..count).collect();
        for chunk in numbers.chunks(CHUNK) {
            let one = |n: &u32| exchanges::get(start.after(rate.due(u64::from(*n))), &receiver::path(*n));
            store.write(&chunk.iter().map(one).collect::<Vec<_>>());
        }
        let window = Window::new(start, start.after(rate.due(u64::from(count))))?;
        Ok(Self { store, window, count })
    }

    fn replay(&self, pace: &[String], connections: u32, to: &Receiver, stop: &Stop) -> anyhow::Result<Run> {
        self.watched(pace, connections, to, stop, &mut |_| {})
    }

    fn watched(
        &self,
        pace: &[String],
        connections: u32,
        to: &Receiver,
        stop: &Stop,
        watch: &mut dyn FnMut(u32),
    ) -> anyhow::Result<Run> {
        let mut command = Command::new(binary::path("umbra-replayer")?);
        command
            .args(["replay", "--store", self.store.url(), "--target", &format!("bench=http://{}", to.addr())])
            .args(["--from", &self.window.from().to_string(), "--to", &self.window.to().to_string()])
            .args(["--connections", &connections.to_string()])
            .args(pace);
        let before = usage::cpu_of_ended_children();
        running::watched(&mut command, self.store.directory(), stop, watch)?;
        let run = Run { received: to.take(), cpu: usage::cpu_of_ended_children() - before };
        ensure!(!run.received.is_empty(), "the replayer ended well and sent nothing");
        Ok(run)
    }
}
