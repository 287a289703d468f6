//! curl, as a client that many people use.

use crate::process::{Finished, Process};

/// Runs `curl` with these arguments, quietly; what it says ends with a line of status and protocol version, as in `200 2`.
#[track_caller]
pub fn curl(arguments: &[&str]) -> Finished {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|directory| directory.join("curl").is_file()));
    assert!(found, "curl is missing: install the package curl");
    // A configuration of the user's own would change what is tested.
    let own = ["-q", "-sS", "-m", "20", "-w", "\n%{http_code} %{http_version}"];
    Process::start("curl", &[&own, arguments].concat(), &[]).finish()
}
