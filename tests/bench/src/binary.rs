//! The programs under test, as release binaries.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// Builds a program of this workspace, into the target directory that the bench itself is in.
pub fn build(package: &str) -> anyhow::Result<()> {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "-p", package, "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .arg("--target-dir")
        .arg(target_dir()?)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "{package} does not build: cargo ended with {status}");
    Ok(())
}

/// Where [`build`] has put a program.
pub fn path(package: &str) -> anyhow::Result<PathBuf> {
    Ok(target_dir()?.join("release").join(package))
}

/// Cargo's target directory: `target/release/umbra-bench` stands in it, and so do test binaries in `target/debug/deps`.
pub fn target_dir() -> anyhow::Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let of_profile = |dir: &&Path| dir.file_name().is_some_and(|n| n == "release" || n == "debug");
    let profile = exe.ancestors().find(of_profile).context("the bench was not built by cargo")?;
    Ok(profile.parent().context("the bench has no target directory")?.to_owned())
}
