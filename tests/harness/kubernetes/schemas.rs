//! The schemas that documents are held against, out of the packages in which their projects publish them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use super::folder::made_once;
use super::{RELEASES, crd, strimzi};
use crate::go_module::go_module;
use crate::installed::{installed, output_of};

/// To be counted up when what is made here changes.
const EDITION: u32 = 1;

/// Kubernetes' own schemas, by the Python package that carries them.
const KUBERNETES: &str = "kubernetes-validate==1.37.0";

/// A Go module, its version, and the files of custom resource definitions in it: files, or folders of them.
const MODULES: [(&str, &str, &[&str]); 4] = [
    (
        "github.com/prometheus-operator/prometheus-operator",
        "v0.85.0",
        &[
            "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
            "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
            "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
        ],
    ),
    (
        "github.com/kedacore/keda/v2",
        "v2.21.0",
        &["config/crd/bases/keda.sh_scaledobjects.yaml", "config/crd/bases/keda.sh_triggerauthentications.yaml"],
    ),
    ("sigs.k8s.io/gateway-api", "v1.6.3", &["config/crd/standard"]),
    ("istio.io/api", "v1.31.1", &["kubernetes/customresourcedefinitions.gen.yaml"]),
];

/// The folder of all schemas: `kubernetes/vX.Y.Z/KIND-GROUP-VERSION.json` and `custom/GROUP/KIND_VERSION.json`.
#[track_caller]
pub(super) fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        made_once(&format!("kubernetes-schemas-{EDITION}"), |work| {
            kubernetes(work);
            for (name, version, files) in MODULES {
                let root = go_module(name, version);
                files.iter().flat_map(|file| yaml_files(&root.join(file))).for_each(|file| crd::convert(&file, work));
            }
            for file in strimzi::definitions(work) {
                crd::convert(&file, work);
            }
        })
    })
}

/// A file itself, or the YAML files of a folder.
fn yaml_files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = std::fs::read_dir(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    entries.map(|entry| entry.unwrap().path()).filter(|file| file.extension().is_some_and(|e| e == "yaml")).collect()
}

/// Kubernetes' schemas into `work/kubernetes`, without the addresses that they would be looked up by.
fn kubernetes(work: &Path) {
    let package = work.join("package");
    let mut pip = Command::new(installed("python3", "apt-get install python3 python3-pip"));
    pip.args(["-m", "pip", "install", "-q", "--no-deps", "--no-compile", "--target"]).arg(&package).arg(KUBERNETES);
    output_of(&mut pip, "pip must be there, and PyPI reachable once");
    for release in RELEASES {
        let from = package.join(format!("kubernetes_validate/kubernetes-json-schema/v{release}-local-strict"));
        let to = work.join(format!("kubernetes/v{release}"));
        std::fs::create_dir_all(&to).unwrap();
        for entry in std::fs::read_dir(&from).unwrap_or_else(|e| panic!("{}: {e}", from.display())) {
            let file = entry.unwrap().path();
            let mut schema: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
            crd::make_relative(&mut schema);
            std::fs::write(to.join(file.file_name().unwrap()), schema.to_string()).unwrap();
        }
    }
    std::fs::remove_dir_all(package).unwrap();
}
