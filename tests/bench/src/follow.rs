//! `umbra-bench follow`: one rate shared by replicas that come and go.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use comfy_table::Table;
use umbra_common::time::Timestamp;
use umbra_tests::exchanges;
use umbra_tests::stores::TestStore;

use crate::broker::Kafka;
use crate::receiver::{self, Receiver};
use crate::running::{Running, free_address, get};
use crate::stop::Stop;
use crate::{binary, machine, report};

/// What to measure, and how long.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The fleet's rate, in requests per second.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(10..=20_000))]
    pub rate: u32,
    /// Seconds to count over, for each number of replicas.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=600))]
    pub seconds: u32,
    /// Brokers to follow, as host:port; started here from Apache's jars where not given.
    #[arg(long)]
    pub kafka: Option<String>,
}

const PARTITIONS: u16 = 12;
/// The replicas of each stage.
const STAGES: [usize; 3] = [1, 4, 2];
/// What a rebalance may take.
const REBALANCE: Duration = Duration::from_secs(3);
/// For a group to have settled.
const SETTLED: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);

/// Writes a backlog into a topic, follows it with one, four and two replicas, prints the table to `out`.
pub fn run(options: &Options, stop: &Stop, out: &mut dyn Write) -> anyhow::Result<()> {
    let before = machine::load_average();
    binary::build("umbra-replayer")?;
    let kafka = Kafka::find(options.kafka.as_deref());
    let store = TestStore::at(&kafka.topic_with(PARTITIONS));
    // Enough that there is always something to send, rebalances included.
    let stages = u32::try_from(STAGES.len())?;
    write_backlog(&store, options.rate * stages * (options.seconds + 15));
    let (receiver, dir) = (Receiver::start()?, tempfile::tempdir()?);
    let mut fleet: Vec<(Running, SocketAddr)> = Vec::new();
    let mut table = Table::new();
    table.load_style(report::RULES).set_header(["replicas", "requests/s", "asked", "off %"]);
    for replicas in STAGES {
        fleet.truncate(replicas);
        while fleet.len() < replicas {
            let admin = free_address()?;
            let mut command = Command::new(binary::path("umbra-replayer")?);
            command
                .args(["follow", "--store", store.url(), "--from", "earliest", "--admin", &admin.to_string()])
                .args(["--target", &format!("bench=http://{}", receiver.addr())])
                .args(["--rate", &format!("{}/s", options.rate)]);
            let name = format!("replica-{}", admin.port());
            fleet.push((Running::start(&name, &mut command, dir.path())?, admin));
        }
        eprintln!("{replicas} replicas");
        settle(&fleet, stop)?;
        wait(REBALANCE, stop)?;
        receiver.take();
        let counted = Instant::now();
        wait(Duration::from_secs(options.seconds.into()), stop)?;
        let rate = receiver.take().len() as f64 / counted.elapsed().as_secs_f64();
        let off = (rate / f64::from(options.rate) - 1.0) * 100.0;
        table.add_row([replicas.to_string(), format!("{rate:.1}"), options.rate.to_string(), format!("{off:+.2}")]);
    }
    writeln!(out, "\n{PARTITIONS} partitions of {kafka}; {} (bound: ±2 %).\n", machine::describe(before))?;
    write!(out, "{}", report::lines(&mut table, 0))?;
    Ok(())
}

fn write_backlog(store: &TestStore, count: u32) {
    /// Exchanges in memory at a time.
    const CHUNK: usize = 20_000;
    let arrival = Timestamp::now().before(Duration::from_secs(3600));
    let numbers: Vec<u32> = (0..count).collect();
    for chunk in numbers.chunks(CHUNK) {
        store.write(&chunk.iter().map(|n| exchanges::get(arrival, &receiver::path(*n))).collect::<Vec<_>>());
    }
}

/// Waits until each replica says that it has its even part.
fn settle(fleet: &[(Running, SocketAddr)], stop: &Stop) -> anyhow::Result<()> {
    let end = Instant::now() + SETTLED;
    let even = 1.0 / fleet.len() as f64;
    while !fleet.iter().all(|(_, admin)| share(*admin).is_some_and(|share| (share - even).abs() < 1e-9)) {
        ensure!(Instant::now() < end, "{} replicas do not share evenly within {SETTLED:?}", fleet.len());
        wait(LOOK, stop)?;
    }
    Ok(())
}

fn share(admin: SocketAddr) -> Option<f64> {
    let metrics = get(admin, "/metrics")?;
    let line = metrics.lines().find(|line| line.starts_with("umbra_replayer_rate_share{"))?;
    line.rsplit(' ').next()?.parse().ok()
}

fn wait(time: Duration, stop: &Stop) -> anyhow::Result<()> {
    let end = Instant::now().checked_add(time).context("too long")?;
    while Instant::now() < end {
        stop.check()?;
        sleep(LOOK.min(end.saturating_duration_since(Instant::now())));
    }
    Ok(())
}
