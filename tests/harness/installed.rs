//! Programs that a test needs and that this workspace does not build.

use std::path::PathBuf;
use std::process::Command;

use crate::target_folder::target_folder;

/// The path of a program. Fails the test, saying `install`, where it is not on this machine.
#[track_caller]
pub fn installed(program: &str, install: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps servers where only root's PATH has them; .ci/run builds what Debian does not have.
    let further = [PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin"), target_folder().join("tools/bin")];
    let mut places = std::env::split_paths(&path).chain(further).map(|folder| folder.join(program));
    places.find(|file| file.is_file()).unwrap_or_else(|| panic!("{program} is not installed: {install}"))
}

/// Runs a command to its end and gives its standard output. Fails the test with all it said, and `remedy`, where it does
/// not succeed.
#[track_caller]
pub fn output_of(command: &mut Command, remedy: &str) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("starting {command:?}: {e}; {remedy}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{stdout}{stderr}\n{remedy}", output.status);
    stdout.into_owned()
}
