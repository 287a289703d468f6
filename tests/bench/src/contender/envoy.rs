//! Envoy as a proxy, plain or with a request mirror policy.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};

use super::{Contender, Kind};
use crate::running::{Running, find, free_address};
use crate::upstream::Upstream;

const MANAGER: &str =
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";

pub(super) fn start(kind: Kind, upstream: &Upstream, dir: &Path) -> anyhow::Result<Contender> {
    let at = free_address()?;
    let name = if kind == Kind::EnvoyMirror { "envoy-mirror" } else { "envoy" };
    let config = dir.join(format!("{name}.json"));
    std::fs::write(&config, bootstrap(kind, at, upstream).to_string())?;
    let envoy = find("envoy").context("envoy is not installed")?;
    let mut command = Command::new(envoy);
    command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "-c"]).arg(&config);
    let running = Running::start(name, &mut command, dir)?;
    // It tells the two versions apart by the preface.
    Ok(Contender { kind, running, http1: at, http2: at, admin: None })
}

fn bootstrap(kind: Kind, at: SocketAddr, upstream: &Upstream) -> Value {
    let address =
        |a: SocketAddr| json!({ "socket_address": { "address": a.ip().to_string(), "port_value": a.port() } });
    let cluster = |name: &str, a: SocketAddr| {
        let endpoints = json!([{ "lb_endpoints": [{ "endpoint": { "address": address(a) } }] }]);
        json!({ "name": name, "type": "STATIC", "load_assignment": { "cluster_name": name, "endpoints": endpoints } })
    };
    let mut route = json!({ "cluster": "production" });
    if kind == Kind::EnvoyMirror {
        let all = json!({ "default_value": { "numerator": 100, "denominator": "HUNDRED" } });
        route["request_mirror_policies"] = json!([{ "cluster": "shadow", "runtime_fraction": all }]);
    }
    let routes = json!([{ "match": { "prefix": "/" }, "route": route }]);
    let manager = json!({
        "@type": MANAGER,
        "stat_prefix": "bench",
        "codec_type": "AUTO",
        "route_config": { "name": "r", "virtual_hosts": [{ "name": "v", "domains": ["*"], "routes": routes }] },
        "http_filters": [{ "name": "envoy.filters.http.router", "typed_config": { "@type": ROUTER } }],
    });
    let filter = json!({ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager });
    json!({ "static_resources": {
        "listeners": [{ "name": "in", "address": address(at), "filter_chains": [{ "filters": [filter] }] }],
        "clusters": [cluster("production", upstream.production), cluster("shadow", upstream.shadow)],
    }})
}
