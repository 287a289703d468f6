//! The programs under test, as release binaries.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use clap::Args;

/// Which recorder is measured.
#[derive(Clone, Debug, Default, Args)]
pub struct Measured {
    /// Measure this recorder instead of building the one that the images have.
    #[arg(long, value_name = "PATH")]
    pub recorder: Option<PathBuf>,
}

impl Measured {
    /// The program, built if none was given.
    pub fn find(&self) -> anyhow::Result<PathBuf> {
        match &self.recorder {
            Some(given) => given.canonicalize().with_context(|| format!("--recorder {}", given.display())),
            None => build_as_in_images("umbra-recorder"),
        }
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.recorder {
            Some(given) => given.display().fmt(f),
            None => f.write_str("as the images have it, built by deploy/docker/programs"),
        }
    }
}

/// Builds a program as it is given to users: the compiler has been told what its code does under load.
fn build_as_in_images(package: &str) -> anyhow::Result<PathBuf> {
    let target = target_dir()?.join("images");
    let programs = target.join("programs");
    let status = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/docker/programs"))
        .arg(&programs)
        .arg(package)
        .env("CARGO_TARGET_DIR", &target)
        .status()
        .context("cannot run deploy/docker/programs")?;
    ensure!(status.success(), "{package} does not build: deploy/docker/programs ended with {status}");
    Ok(programs.join(package))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorder_that_is_given_is_measured_and_named_and_one_that_is_not_there_is_an_error() {
        let own = std::env::current_exe().unwrap();
        let given = Measured { recorder: Some(own.clone()) };
        assert_eq!(
            (given.find().unwrap(), given.to_string()),
            (own.canonicalize().unwrap(), own.display().to_string())
        );
        let absent = Measured { recorder: Some("no/such/recorder".into()) };
        assert!(format!("{:#}", absent.find().unwrap_err()).starts_with("--recorder no/such/recorder: "));
    }
}
