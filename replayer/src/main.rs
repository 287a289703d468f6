//! `umbra-replayer`: parse, check, run, exit.

use std::process::ExitCode;

use clap::Parser;
use umbra_replayer::{Cli, ExitStatus, Stop, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = match Cli::parse().into_command() {
        Ok(command) => command,
        Err(error) => return fail(&error, ExitStatus::Usage),
    };
    umbra_common::logs::start_by_way_of(command.log_format, umbra_replayer::report::beside_progress);
    let stop = Stop::new();
    if let Err(error) = stop_on_signals(stop.clone()) {
        return fail(&error, ExitStatus::Failed);
    }
    match run(command, stop, &mut std::io::stdout().lock()) {
        Ok(status) => ExitCode::from(status.code()),
        Err(error) => fail(&error, error.status()),
    }
}

fn fail(error: &dyn std::error::Error, status: ExitStatus) -> ExitCode {
    // Lock-free of any log format: this is the program's last word to the person who started it.
    eprintln!("error: {error}");
    ExitCode::from(status.code())
}

/// The first SIGINT or SIGTERM drains, the second gives up what is in flight.
fn stop_on_signals(stop: Stop) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    umbra_common::open_files::enough_for_a_runtime()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let guard = runtime.enter();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    drop(guard);
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                tracing::info!("finishing what is in flight; press Ctrl-C again to give it up");
                stop.stop();
            }
        });
    })?;
    Ok(())
}
