//! A replayer in this process, by the flags of its command line.

use std::thread::JoinHandle;

use clap::Parser;
use umbra_replayer::command::Action;
use umbra_replayer::{Cli, Command, ExitStatus, Report, RunError, Stop};

use crate::ledgers::assert_balances;
use crate::stores::TestStore;

/// A command as the program would make it of these arguments.
#[track_caller]
fn command(arguments: &[&str]) -> Command {
    let cli = Cli::try_parse_from(["umbra-replayer"].iter().chain(arguments)).unwrap_or_else(|e| panic!("{e}"));
    cli.into_command().unwrap_or_else(|e| panic!("{e}"))
}

/// Runs a command to its end; its exit status and what it printed on standard output.
#[track_caller]
pub fn run(arguments: &[&str]) -> (ExitStatus, String) {
    let mut out = Vec::new();
    let status = umbra_replayer::run(command(arguments), Stop::new(), &mut out).unwrap_or_else(|e| panic!("{e}"));
    (status, String::from_utf8(out).unwrap())
}

/// Replays everything in a store to its end; each target's ledger must add up.
#[track_caller]
pub fn replay(store: &TestStore, flags: &[&str]) -> Report {
    let window = ["replay", "--store", store.url(), "--from", "-1day", "--to", "+1h"];
    let Action::Replay(config) = command(&[&window, flags].concat()).action else { panic!("no replay: {flags:?}") };
    let report = umbra_replayer::replay(config, Stop::new()).unwrap_or_else(|e| panic!("{e}"));
    balanced(report)
}

#[track_caller]
fn balanced(report: Report) -> Report {
    report.targets.iter().for_each(|t| assert_balances(&t.ledger));
    report
}

/// A `follow` that runs until it is told to end.
pub struct TestFollow {
    stop: Stop,
    run: JoinHandle<Result<Report, RunError>>,
}

impl TestFollow {
    /// Follows a store.
    #[track_caller]
    pub fn start(store: &TestStore, flags: &[&str]) -> Self {
        let arguments = [&["follow", "--store", store.url()], flags].concat();
        let Action::Follow(config) = command(&arguments).action else { panic!("no follow: {flags:?}") };
        let stop = Stop::new();
        let stopped = stop.clone();
        Self { stop, run: std::thread::spawn(move || umbra_replayer::follow(config, stopped)) }
    }

    /// Ends it as Ctrl-C does; each target's ledger must add up.
    #[track_caller]
    pub fn finish(self) -> Report {
        self.stop.stop();
        balanced(self.run.join().expect("follow ends without a panic").unwrap_or_else(|e| panic!("{e}")))
    }
}
