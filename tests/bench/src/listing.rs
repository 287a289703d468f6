//! `umbra-bench listing`: as many records as asked, listed, filtered and counted in bounded memory.

use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use umbra_common::time::Timestamp;
use umbra_tests::exchanges;
use umbra_tests::process::peak;
use umbra_tests::stores::TestStore;

use crate::broker::Kafka;
use crate::stop::Stop;
use crate::{binary, machine, running};

/// How much to list.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Records in each store; they take about half a kilobyte of disk each.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1000..=100_000_000))]
    pub records: u32,
    /// Brokers to list from, as host:port; started here from Apache's jars where not given.
    #[arg(long)]
    pub kafka: Option<String>,
    /// Leave Kafka out.
    #[arg(long)]
    pub no_kafka: bool,
}

/// The most memory that a look may take, however many records there are. From SQLite it is an eighth of that; librdkafka
/// reads 16 MiB ahead, and keeps most of a kilobyte beside each of these small messages.
const MOST: usize = 256 << 20;
const PARTITIONS: u16 = 12;

/// Writes records into both stores, looks at them in each way, fails where that takes more memory than it may.
pub fn run(options: &Options, stop: &Stop, out: &mut dyn Write) -> anyhow::Result<()> {
    let before = machine::load_average();
    binary::build("umbra-replayer")?;
    let kafka = (!options.no_kafka).then(|| Kafka::find(options.kafka.as_deref()));
    let mut stores = vec![("SQLite", TestStore::sqlite())];
    stores.extend(kafka.iter().map(|kafka| ("Kafka", TestStore::at(&kafka.topic_with(PARTITIONS)))));
    let records = options.records;
    writeln!(out, "{records} records, Kafka with {PARTITIONS} partitions; {}\n", machine::describe(before))?;
    for (name, store) in stores {
        eprintln!("writing {records} records to {name}");
        write(&store, records, stop)?;
        for flags in [&["list"][..], &["list", "--where", "path == '/items/77'"], &["top"]] {
            stop.check()?;
            let (took, most) = looked(&store, flags, stop)?;
            let (rate, mib) = (f64::from(records) / took.as_secs_f64(), most as f64 / f64::from(1 << 20));
            writeln!(out, "{name:<6}  traffic {:<40} {rate:>9.0} records/s  at most {mib:.0} MiB", flags.join(" "))?;
            ensure!(most <= MOST, "traffic {} took {mib:.0} MiB, more than {} MiB", flags.join(" "), MOST >> 20);
        }
    }
    Ok(())
}

fn write(store: &TestStore, count: u32, stop: &Stop) -> anyhow::Result<()> {
    /// Exchanges in memory at a time.
    const CHUNK: u32 = 20_000;
    let first = Timestamp::now().before(Duration::from_secs(3600));
    for chunk in (0..count).step_by(CHUNK as usize) {
        stop.check()?;
        let one = |n| exchanges::get(first.after(Duration::from_micros(10) * n), &format!("/items/{n}"));
        store.write(&(chunk..count.min(chunk + CHUNK)).map(one).collect::<Vec<_>>());
    }
    Ok(())
}

/// How long a look takes, and the most memory.
fn looked(store: &TestStore, flags: &[&str], stop: &Stop) -> anyhow::Result<(Duration, usize)> {
    let mut command = Command::new(binary::path("umbra-replayer")?);
    command.arg("traffic").args(flags).args(["--store", store.url()]);
    let (began, mut most) = (Instant::now(), 0);
    running::watched(&mut command, store.directory(), stop, &mut |pid| most = most.max(peak(pid).unwrap_or(0)))?;
    Ok((began.elapsed(), most))
}
