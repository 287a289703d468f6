//! A chart, as helm renders it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::{RELEASES, documents};
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

    /// This chart in a folder of its own, with `dependency` as a part of it under that name.
    pub fn with(&self, name: &str, dependency: &Self) -> (TempDir, Self) {
        let (folder, copy) = self.copied();
        copy_all(&dependency.0, &copy.0.join("charts").join(name));
        (folder, copy)
    }

    /// What `helm template` makes of it as the release `release` with further arguments (`--set`, `-f`).
    ///
    /// # Errors
    /// What helm says, where it refuses.
    pub fn render(&self, release: &str, arguments: &[&str]) -> Result<Vec<Value>, String> {
        let own = ["template", release, self.folder(), "--namespace", "shadow", "--kube-version", RELEASES[0]];
        let output = helm(&[&own, arguments].concat());
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(documents(&said(&output.stdout))) } else { Err(said(&output.stderr)) }
    }

    /// Fails unless `helm lint` has nothing against the chart with these arguments.
    #[track_caller]
    pub fn lint(&self, arguments: &[&str]) {
        let output = helm(&[&["lint", "--strict", self.folder(), "--kube-version", RELEASES[0]], arguments].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    /// What `helm install` shows the operator at the end: the rendered `NOTES.txt`.
    #[track_caller]
    pub fn notes(&self, release: &str, arguments: &[&str]) -> String {
        // `helm install` wants a cluster for it, `helm template` leaves it out.
        let (_folder, copy) = self.copied();
        let shown = "notes: |\n  {{- include (print $.Template.BasePath \"/NOTES.txt\") . | nindent 2 }}\n";
        std::fs::write(copy.0.join("templates/notes.yaml"), shown).unwrap();
        let rendered = copy.render(release, &[&["-s", "templates/notes.yaml"], arguments].concat());
        let documents = rendered.unwrap_or_else(|why| panic!("{why}"));
        documents[0]["notes"].as_str().unwrap().to_owned()
    }

    fn folder(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn copied(&self) -> (TempDir, Self) {
        let folder = tempfile::tempdir().unwrap();
        copy_all(&self.0, folder.path());
        let copy = Self::at(folder.path());
        (folder, copy)
    }
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_all(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Runs helm, which must find no cluster.
fn helm(arguments: &[&str]) -> Output {
    let mut command = Command::new(installed("helm", HELM));
    command.args(arguments).env("KUBECONFIG", "/dev/null").env_remove("HELM_NAMESPACE").output().unwrap()
}
