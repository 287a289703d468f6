//! Documents for a cluster, judged without one.
//!
//! [`documents`] reads YAML as it lies in `deploy/`, [`Chart`] what helm makes of a chart. [`refusals`] holds documents
//! against the schemas of Kubernetes and of the custom resources that they use, by kubeconform, strictly: a field that a
//! schema does not have is refused, and so is a kind without a schema. The schemas come from the projects' own packages
//! when a test first asks for them (`schemas.rs` says from which) and are kept below cargo's target folder.
//!
//! What a cluster's admission decides is not judged: validation rules in CEL, defaults, quotas, what exists.

mod chart;
mod container;
mod crd;
mod folder;
mod schemas;
mod strimzi;

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

pub use chart::Chart;
pub use container::{Container, containers, pods};

use crate::installed::installed;

/// The releases of Kubernetes that documents are held against: the oldest that the chart is for, and the newest that there
/// are schemas of.
const RELEASES: [&str; 2] = ["1.30.0", "1.37.0"];

const KUBECONFORM: &str = "go install github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0";

/// The documents of a YAML text; empty ones are left out.
#[track_caller]
pub fn documents(yaml: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap_or_else(|e| panic!("no YAML: {e}\n{yaml}"));
    all.into_iter().filter(|document| !document.is_null()).collect()
}

/// The documents of a YAML file.
#[track_caller]
pub fn documents_of(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    documents(&text)
}

/// Fails unless a cluster's schemas take every one of `documents`.
#[track_caller]
pub fn assert_valid(documents: &[Value]) {
    assert!(!documents.is_empty(), "no documents");
    let refusals = refusals(documents);
    assert!(refusals.is_empty(), "{}", refusals.join("\n"));
}

/// What the schemas have against `documents`: a line each, with kind and name.
#[track_caller]
pub fn refusals(documents: &[Value]) -> Vec<String> {
    let kubeconform = installed("kubeconform", KUBECONFORM);
    let folder = schemas::folder();
    let at = |pattern: &str| format!("{}/{pattern}", folder.display());
    let built_in = at("kubernetes/{{.NormalizedKubernetesVersion}}/{{.ResourceKind}}{{.KindSuffix}}.json");
    let custom = at("custom/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json");
    let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": documents }).to_string();
    let mut refusals = Vec::new();
    for release in RELEASES {
        let mut command = Command::new(&kubeconform);
        command.args(["-strict", "-output", "json", "-kubernetes-version", release]);
        command.args(["-schema-location", &built_in, "-schema-location", &custom]);
        let said: Value = serde_json::from_str(&given(&mut command, &list)).unwrap();
        for resource in said["resources"].as_array().into_iter().flatten() {
            let text = |key: &str| resource[key].as_str().unwrap_or_default();
            refusals.push(format!("{release}: {} {}: {}", text("kind"), text("name"), text("msg")));
        }
    }
    refusals
}

/// The output of a command that is given `input`, whatever its status.
fn given(command: &mut Command, input: &str) -> String {
    use std::io::Write as _;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}
