//! `umbra-recorder`: settings, start, one line that says what runs, drain, exit status.

use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{Signal, SignalKind, signal};
use umbra_common::logs;
use umbra_recorder::{Config, ConfigError, Flags, Recorder};

// The allocator is an eighth of the proxy's work; this one does it in half the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let flags = Flags::parse();
    let check = flags.check;
    let config = match settings(flags) {
        Ok(config) => config,
        Err(error) => return fail(USAGE, &error),
    };
    if check {
        return print(&config);
    }
    logs::start(config.log_format);
    match run(config) {
        Ok(status) => status,
        Err(error) => fail(FAILED, &error),
    }
}

fn settings(flags: Flags) -> Result<Config, ConfigError> {
    flags.layered()?.into_config()
}

/// `--check`: the effective settings are the result, so they go to standard output.
fn print(config: &Config) -> ExitCode {
    use std::io::Write;
    match write!(std::io::stdout(), "{config}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(FAILED, &error),
    }
}

fn run(config: Config) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut term, mut int) = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let (shown, rules) = (config.clone(), config.rules_summary()?);
    let recorder = match Recorder::start(config) {
        Ok(recorder) => recorder,
        Err(error) if error.is_configuration() => return Ok(fail(USAGE, &error)),
        Err(error) => return Err(error.into()),
    };
    tracing::info!(
        "listening on {} for {}, recording {} of requests (by {}, responses {}) to {}; {}; admin on {}",
        recorder.addr(),
        shown.upstream_name(),
        shown.sample.fraction,
        shown.sample.by,
        shown.responses,
        shown.store_url(),
        rules,
        recorder.admin_addr(),
    );
    runtime.block_on(async {
        tokio::select! { () = asked(&mut term, &mut int) => {}, () = recorder.drain_asked() => {} }
    });
    tracing::info!("draining, at most {:?}; a second signal exits at once", shown.drain_timeout);
    let (done, drained) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name("umbra-drain".into()).spawn(move || done.send(recorder.drain()))?;
    runtime.block_on(async {
        tokio::select! {
            ledger = drained => {
                let ledger = ledger?;
                match ledger.state("dropped") {
                    0 => tracing::info!("drained: {ledger}"),
                    lost => tracing::warn!("drained, {lost} requests are not recorded: {ledger}"),
                }
                Ok(ExitCode::SUCCESS)
            }
            () = asked(&mut term, &mut int) => Ok(ExitCode::from(INTERRUPTED)),
        }
    })
}

async fn asked(term: &mut Signal, int: &mut Signal) {
    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
}

fn fail(status: u8, error: &dyn std::fmt::Display) -> ExitCode {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "umbra-recorder: {error}");
    ExitCode::from(status)
}
