//! A chart, as helm renders it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::documents;
use crate::installed::installed;

const HELM: &str = "go install helm.sh/helm/v3/cmd/helm@v3.22.0";

/// A folder with a chart in it.
#[derive(Clone, Debug)]
pub struct Chart(PathBuf);

impl Chart {
    /// The chart in this folder.
    pub fn at(folder: impl AsRef<Path>) -> Self {
        Self(folder.as_ref().to_owned())
    }

    /// What `helm template` makes of it as the release `release` with further arguments (`--set`, `-f`).
    ///
    /// # Errors
    /// What helm says, where it refuses.
    pub fn render(&self, release: &str, arguments: &[&str]) -> Result<Vec<Value>, String> {
        let folder = self.0.to_str().unwrap();
        let output = helm(&[&["template", release, folder, "--namespace", "shadow"], arguments].concat());
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(documents(&said(&output.stdout))) } else { Err(said(&output.stderr)) }
    }

    /// Fails unless `helm lint` has nothing against the chart with these arguments.
    #[track_caller]
    pub fn lint(&self, arguments: &[&str]) {
        let output = helm(&[&["lint", "--strict", self.0.to_str().unwrap()], arguments].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    /// What `helm install --dry-run` shows the operator at the end: the rendered `NOTES.txt`.
    #[track_caller]
    pub fn notes(&self, release: &str, arguments: &[&str]) -> String {
        let folder = self.0.to_str().unwrap();
        let client = ["install", release, folder, "--namespace", "shadow", "--dry-run=client"];
        let output = helm(&[&client, arguments].concat());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        said.split_once("\nNOTES:\n").unwrap_or_else(|| panic!("no notes in:\n{said}")).1.to_owned()
    }
}

/// Runs helm, which must find no cluster.
fn helm(arguments: &[&str]) -> Output {
    let mut command = Command::new(installed("helm", HELM));
    command.args(arguments).env("KUBECONFIG", "/dev/null").env_remove("HELM_NAMESPACE").output().unwrap()
}
