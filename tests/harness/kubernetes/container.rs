//! Containers of the two programs, with what they would find in their file system.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::certificates::Authority;

/// Where the documents of this workspace mount things.
const ROOTS: [&str; 2] = ["/etc/umbra/", "/var/lib/umbra/"];

/// Long enough for whatever wants a secret.
const SECRET: &str = "a-secret-of-the-tests-0123456789";

/// One of the two programs in a pod, and its files on this machine.
#[derive(Debug)]
pub struct Container {
    /// `recorder` or `replayer`, by the image.
    pub program: String,
    /// The arguments, with the container's paths replaced by this machine's.
    pub arguments: Vec<String>,
    _root: TempDir,
}

/// The pod templates of `documents`, whatever kind they are of, with the documents that they are in.
pub fn pods(documents: &[Value]) -> impl Iterator<Item = (&Value, &Value)> {
    documents.iter().filter(|d| d["spec"]["template"]["spec"].is_object()).map(|d| (d, &d["spec"]["template"]))
}

/// The containers of `documents` that run one of the two programs.
pub fn containers(documents: &[Value]) -> Vec<Container> {
    let mut found = Vec::new();
    for (_, pod) in pods(documents) {
        for kind in ["initContainers", "containers"] {
            for container in pod["spec"][kind].as_array().into_iter().flatten() {
                let image = container["image"].as_str().unwrap();
                let name = image.rsplit('/').next().and_then(|last| last.split(':').next());
                if let Some(program) = name.and_then(|name| name.strip_prefix("umbra-")) {
                    found.push(Container::new(program, container, &pod["spec"]["volumes"], documents));
                }
            }
        }
    }
    found
}

impl Container {
    fn new(program: &str, container: &Value, volumes: &Value, documents: &[Value]) -> Self {
        let root = tempfile::tempdir().unwrap();
        for mount in container["volumeMounts"].as_array().into_iter().flatten() {
            let path = mount["mountPath"].as_str().unwrap();
            assert!(ROOTS.iter().any(|root| format!("{path}/").starts_with(root)), "{path} is in none of {ROOTS:?}");
            let folder = root.path().join(path.trim_start_matches('/'));
            std::fs::create_dir_all(&folder).unwrap();
            let volume = volumes.as_array().into_iter().flatten().find(|v| v["name"] == mount["name"]);
            let volume = volume.unwrap_or_else(|| panic!("no volume {} for {path}", mount["name"]));
            fill(&folder, volume, documents, root.path());
        }
        let arguments = container["args"].as_array().into_iter().flatten();
        let arguments = arguments.map(|a| on_this_machine(a.as_str().unwrap(), root.path())).collect();
        Self { program: program.to_owned(), arguments, _root: root }
    }
}

fn on_this_machine(text: &str, root: &Path) -> String {
    ROOTS.iter().fold(text.to_owned(), |text, path| text.replace(path, &format!("{}{path}", root.display())))
}

/// Puts into `folder` what the volume would show there.
fn fill(folder: &Path, volume: &Value, documents: &[Value], root: &Path) {
    if let Some(name) = volume["configMap"]["name"].as_str() {
        let map = documents.iter().find(|d| d["kind"] == "ConfigMap" && d["metadata"]["name"] == name);
        let data = map.unwrap_or_else(|| panic!("no ConfigMap {name}"))["data"].as_object().unwrap();
        for (file, text) in data {
            std::fs::write(folder.join(file), on_this_machine(text.as_str().unwrap(), root)).unwrap();
        }
    } else if volume["secret"].is_object() {
        secrets(&volume["secret"], folder);
    } else if let Some(sources) = volume["projected"]["sources"].as_array() {
        sources.iter().for_each(|source| secrets(&source["secret"], folder));
    } else {
        assert!(volume["emptyDir"].is_object(), "what is the volume {volume}?");
    }
}

/// The files of a Secret: those that are named or, of a certificate, all.
fn secrets(secret: &Value, folder: &Path) {
    let files: Vec<PathBuf> = match secret["items"].as_array() {
        Some(items) => items.iter().map(|item| folder.join(item["path"].as_str().unwrap())).collect(),
        None => ["tls.crt", "tls.key"].map(|file| folder.join(file)).to_vec(),
    };
    let authority = Authority::new();
    let identity = authority.issue("umbra", &["localhost"]);
    for file in files {
        match file.extension().and_then(|e| e.to_str()) {
            Some("crt") => drop(std::fs::copy(&identity.cert, file).unwrap()),
            Some("key") => drop(std::fs::copy(&identity.key, file).unwrap()),
            _ => std::fs::write(file, SECRET).unwrap(),
        }
    }
}
