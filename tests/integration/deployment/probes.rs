//! What a cluster asks of the programs: probes without a token, metrics as the chart's PodMonitors ask for them.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::Value;
use umbra_tests::kubernetes::pods;
use umbra_tests::origin::Origin;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::eventually;
use umbra_tests::wire;

use super::rendered;
use crate::controlled::Controlled;
use crate::programs::{recorder, replayer};
use crate::running::Running;

const TOKEN: &str = "a-token-of-the-operators";

/// The paths that probes of this component's container ask for.
fn probed(documents: &[Value], component: &str) -> BTreeSet<String> {
    let of_component = |pod: &&Value| pod["metadata"]["labels"]["app.kubernetes.io/component"] == component;
    let pod = pods(documents).map(|(_, pod)| pod).find(of_component).unwrap();
    let container = &pod["spec"]["containers"][0];
    let path = |probe: &str| container[probe]["httpGet"]["path"].as_str().unwrap().to_owned();
    ["readinessProbe", "livenessProbe"].map(path).into()
}

/// Whether this component's PodMonitor shows the token, and the path it asks for.
fn scraped(documents: &[Value], component: &str) -> (bool, String) {
    let of_component = |d: &&Value| {
        d["kind"] == "PodMonitor" && d["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"] == component
    };
    let endpoint = &documents.iter().find(of_component).unwrap()["spec"]["podMetricsEndpoints"][0];
    (endpoint["authorization"].is_object(), endpoint["path"].as_str().unwrap().to_owned())
}

fn status(admin: SocketAddr, path: &str, token: Option<&str>) -> u16 {
    let line = token.map(|t| format!("authorization: Bearer {t}\r\n")).unwrap_or_default();
    wire::exchange(admin, format!("GET {path} HTTP/1.1\r\nhost: pod\r\nconnection: close\r\n{line}\r\n")).status()
}

/// Asks as the chart's documents have it.
fn assert_answered(admin: SocketAddr, component: &str) {
    let documents = rendered("secured", &[]);
    let paths = probed(&documents, component);
    assert_eq!(paths.len(), 2, "{paths:?}");
    for path in paths {
        eventually(&format!("{component} answers {path}"), || status(admin, &path, None) == 200);
    }
    let (with_token, path) = scraped(&documents, component);
    assert_eq!(status(admin, &path, with_token.then_some(TOKEN)), 200, "{component}: {path}");
    // A token that is not needed would only be one more that can leak.
    assert_eq!(status(admin, &path, None), if with_token { 401 } else { 200 }, "{component}: {path}");
}

#[test]
fn the_programs_answer_what_a_cluster_asks() {
    let (store, staging, directory) = (TestStore::sqlite(), Origin::start(), tempfile::tempdir().unwrap());
    let file = directory.path().join("token");
    std::fs::write(&file, TOKEN).unwrap();
    let from = format!("file:{}", file.display());
    let open = ["--admin", "127.0.0.1:0", "--admin-token", &from, "--store", store.url()];
    let running = Running::of(recorder(&[&["--listen", "127.0.0.1:0", "--sink"], &open[..]].concat()));
    assert_answered(running.admin_addr(), "recorder");
    let target = format!("staging={}", staging.url());
    let follower = Controlled::started(replayer(&[&["follow", "--target", &target], &open[..]].concat()));
    assert_answered(follower.admin(), "follow");
}
