//! `umbra-bench`: parse, run until done or interrupted, exit.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use umbra_bench::stop::{Interrupted, Stop};
use umbra_bench::{faults, follow, listing, recorder, replayer, soak};

/// Measures Umbra beside its peers. Everything runs on this machine, over loopback.
#[derive(Debug, Parser)]
#[command(name = "umbra-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The recorder at 0 % and 100 %, to SQLite and to Kafka, beside nginx, HAProxy and Envoy where they are installed.
    Recorder(recorder::Options),
    /// Every way for a store to fail, under a steady load: failed requests, latencies, memory, the ledger.
    Faults(faults::Options),
    /// The replayer's punctuality at some rates, and its speed without one beside wrk's.
    Replayer(replayer::Options),
    /// One rate that one, four and two replicas share, from Kafka.
    Follow(follow::Options),
    /// A million records listed, filtered and counted, and the memory that takes.
    Listing(listing::Options),
    /// The recorder's memory under all kinds of traffic at once.
    Soak(soak::Options),
}

/// 128 and the number of SIGINT, as shells count.
const INTERRUPTED: u8 = 130;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.root_cause().is::<Interrupted>() { INTERRUPTED } else { 1 })
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let stop = Stop::default();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        told.request();
    });
    // On a thread of its own, so that whatever it has started is ended by its guards also after a signal.
    tokio::task::spawn_blocking(move || {
        let out = &mut std::io::stdout().lock();
        match cli.command {
            Command::Recorder(options) => recorder::run(&options, &stop, out),
            Command::Faults(options) => faults::run(&options, &stop, out),
            Command::Replayer(options) => replayer::run(&options, &stop, out),
            Command::Follow(options) => follow::run(&options, &stop, out),
            Command::Listing(options) => listing::run(&options, &stop, out),
            Command::Soak(options) => soak::run(&options, &stop, out),
        }
    })
    .await?
}
