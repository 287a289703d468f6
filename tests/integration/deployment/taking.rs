//! Whether the programs take what they are given: no flag in a deployment may be one that they do not have.

use clap::Parser as _;
use umbra_replayer::Cli;
use umbra_replayer::command::Action;
use umbra_tests::kubernetes::Container;

use crate::programs::recorder;

/// Fails unless the recorder's `--check` takes these arguments; gives what it prints.
#[track_caller]
pub(super) fn recorder_takes(arguments: &[String]) -> String {
    let all: Vec<&str> = arguments.iter().map(String::as_str).chain(["--check"]).collect();
    recorder(&all).finish().expect(0).stdout
}

/// Fails unless these are a command line of the replayer's, values, files and secrets included; gives what it would do.
#[track_caller]
pub(super) fn replayer_takes(arguments: &[String]) -> Action {
    let cli = Cli::try_parse_from([&["umbra-replayer".to_owned()], arguments].concat());
    let cli = cli.unwrap_or_else(|e| panic!("{arguments:?}: {e}"));
    cli.into_command().unwrap_or_else(|e| panic!("{arguments:?}: {e}")).action
}

/// Fails unless the container's program takes its arguments, for each of so many indices of a Job.
#[track_caller]
pub(super) fn container_is_taken(container: &Container, indices: u64) -> Vec<Action> {
    if container.program == "recorder" {
        recorder_takes(&container.arguments);
        return Vec::new();
    }
    assert_eq!(container.program, "replayer");
    let with = |i: u64| -> Vec<String> {
        container.arguments.iter().map(|a| a.replace("$(JOB_COMPLETION_INDEX)", &i.to_string())).collect()
    };
    (0..indices).map(|i| replayer_takes(&with(i))).collect()
}
