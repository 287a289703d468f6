//! `umbra-recorder`: settings, start, one line that says what runs, drain, exit status.

use std::alloc::GlobalAlloc;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{Signal, SignalKind, signal};
use umbra_common::{logs, open_files, probe};
use umbra_recorder::{Config, ConfigError, Flags, Inherited, Recorder, service};

// In the place of `malloc`, as the C libraries need it; behind Rust's trait it would align each block anew, at twice the cost.
#[used]
static ALLOCATOR: &(dyn GlobalAlloc + Sync) = &mimalloc::MiMalloc;

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let flags = Flags::parse();
    if flags.probe {
        return probe(flags);
    }
    let check = flags.check;
    let config = match flags.layered().map_err(ConfigError::from).and_then(Flags::into_config) {
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

/// `--probe`: nothing but the admin listener's address counts, so the rest need not be there.
fn probe(flags: Flags) -> ExitCode {
    match flags.layered().map(|flags| flags.admin.address()) {
        Ok(admin) => probe::probe(admin).map_or_else(|error| fail(FAILED, &error), |()| ExitCode::SUCCESS),
        Err(error) => fail(USAGE, &error),
    }
}

/// `--check`: the effective settings are the result, so they go to standard output.
fn print(config: &Config) -> ExitCode {
    write!(std::io::stdout(), "{config}").map_or_else(|error| fail(FAILED, &error), |()| ExitCode::SUCCESS)
}

fn run(config: Config) -> anyhow::Result<ExitCode> {
    let drain_timeout = config.drain_timeout;
    let inherited = match Inherited::take() {
        Ok(inherited) => inherited,
        Err(error) => return Ok(fail(USAGE, &error)),
    };
    open_files::enough_for_a_runtime()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let inside = runtime.enter();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    drop(inside);
    let recorder = match Recorder::start_on(config, inherited) {
        Ok(recorder) => recorder,
        Err(error) if error.is_configuration() => return Ok(fail(USAGE, &error)),
        Err(error) => return Err(error.into()),
    };
    service::ready(&recorder.summary()?);
    runtime.block_on(async {
        tokio::select! {
            () = asked(&mut term, &mut int) => {}
            () = recorder.drain_asked() => {}
            never = service::keep_alive(|limit| recorder.stuck_worker(limit)) => match never {},
        }
    });
    service::stopping(drain_timeout);
    let (done, drained) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name("umbra-drain".into()).spawn(move || done.send(recorder.drain()))?;
    runtime.block_on(async {
        tokio::select! {
            ledger = drained => {
                service::drained(&ledger?);
                Ok(ExitCode::SUCCESS)
            }
            () = asked(&mut term, &mut int) => Ok(ExitCode::from(INTERRUPTED)),
            // A drain ends by its own deadline.
            never = service::keep_alive(|_| None) => match never {},
        }
    })
}

async fn asked(term: &mut Signal, int: &mut Signal) {
    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
}

fn fail(status: u8, error: &dyn std::fmt::Display) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "umbra-recorder: {error}");
    ExitCode::from(status)
}
