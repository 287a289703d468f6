//! What a mesh's gateway makes of its routes, given to a real Envoy.
//!
//! No mesh runs here. So the routes of `deploy/` are read as the documentation of Istio and of the Gateway API has them and are
//! written down as Envoy's, with the addresses of a test's own servers in the place of services. A field that is not known here
//! fails the test: nothing in a file is passed over.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use crate::proxies::Proxy;

const TYPES: &str = "type.googleapis.com/envoy.extensions";

/// What stands for a service: `NAME`, or `NAME/SUBSET`.
#[derive(Clone, Copy, Debug)]
pub struct Backend<'a> {
    /// By the name that a route gives it.
    pub name: &'a str,
    /// The server that stands for it.
    pub addr: SocketAddr,
    /// Whether its port's name or protocol says that it speaks HTTP/2.
    pub http2: bool,
}

/// Envoy as the gateway of a cluster in which there are `documents` and `backends`.
#[track_caller]
pub fn gateway(documents: &[Value], backends: &[Backend<'_>]) -> Proxy {
    let mut hosts = BTreeMap::<String, Vec<Value>>::new();
    for document in documents {
        let routes = match document["kind"].as_str() {
            Some("VirtualService") if !document["spec"]["gateways"].is_null() => virtual_service(&document["spec"]),
            Some("HTTPRoute") => http_route(&document["spec"]),
            _ => continue,
        };
        for (host, routes) in routes {
            hosts.entry(host).or_default().extend(routes);
        }
    }
    assert!(!hosts.is_empty(), "no routes for a gateway");
    let hosts: Vec<Value> = hosts
        .into_iter()
        .map(|(host, routes)| json!({ "name": host, "domains": [host, format!("{host}:*")], "routes": routes }))
        .collect();
    let clusters: Vec<Value> = backends.iter().map(cluster).collect();
    Proxy::envoy_with(|at| bootstrap(at, &json!(hosts), &json!(clusters)))
}

/// The routes of a VirtualService, for each of its hosts.
fn virtual_service(spec: &Value) -> Vec<(String, Vec<Value>)> {
    let spec = Fields::of(spec, &["hosts", "gateways", "http"]);
    let mut routes = Vec::new();
    for rule in spec.list("http") {
        let rule = Fields::of(rule, &["match", "rewrite", "route", "mirror", "mirrorPercentage"]);
        let [route] = &rule.list("route")[..] else { panic!("one destination for a route: {:?}", rule.0) };
        let to = destination(&Fields::of(route, &["destination"]).0["destination"]);
        let mut action = json!({ "cluster": to });
        if let Some(rewrite) = rule.get("rewrite") {
            action["prefix_rewrite"] = Fields::of(rewrite, &["uri"]).0["uri"].clone();
        }
        if let Some(mirror) = rule.get("mirror") {
            let part = Fields::of(&rule.0["mirrorPercentage"], &["value"]).0["value"].as_f64().unwrap();
            action["request_mirror_policies"] = mirrored(&destination(mirror), part);
        }
        let all = [json!({ "uri": { "prefix": "/" } })];
        let matches = rule.get("match").map_or(&all[..], |matches| matches.as_array().unwrap());
        for one in matches {
            let uri = Fields::of(&Fields::of(one, &["uri"]).0["uri"], &["prefix"]);
            routes.push(json!({ "match": { "prefix": uri.0["prefix"] }, "route": action }));
        }
    }
    spec.list("hosts").iter().map(|host| (text(host), routes.clone())).collect()
}

fn destination(of: &Value) -> String {
    let of = Fields::of(of, &["host", "subset", "port"]);
    let host = text(&of.0["host"]);
    of.get("subset").map_or(host.clone(), |subset| format!("{host}/{}", text(subset)))
}

/// The routes of an HTTPRoute, for each of its hosts.
fn http_route(spec: &Value) -> Vec<(String, Vec<Value>)> {
    let spec = Fields::of(spec, &["parentRefs", "hostnames", "rules"]);
    let backend = |of: &Value| text(&Fields::of(of, &["name", "port"]).0["name"]);
    let mut routes = Vec::new();
    for rule in spec.list("rules") {
        let rule = Fields::of(rule, &["matches", "filters", "backendRefs"]);
        let [to] = &rule.list("backendRefs")[..] else { panic!("one backend for a rule: {:?}", rule.0) };
        let mut action = json!({ "cluster": backend(to) });
        let all = [json!({ "path": { "type": "PathPrefix", "value": "/" } })];
        let matches = rule.get("matches").map_or(&all[..], |matches| matches.as_array().unwrap());
        let [one] = matches else { panic!("one match for a rule: {matches:?}") };
        let path = Fields::of(&Fields::of(one, &["path"]).0["path"], &["type", "value"]);
        assert_eq!(path.0["type"], "PathPrefix");
        let prefix = text(&path.0["value"]);
        for filter in rule.get("filters").and_then(Value::as_array).into_iter().flatten() {
            let filter = Fields::of(filter, &["type", "urlRewrite", "requestMirror"]);
            if let Some(rewrite) = filter.get("urlRewrite") {
                let path = Fields::of(&Fields::of(rewrite, &["path"]).0["path"], &["type", "replacePrefixMatch"]);
                let (pattern, to) = (format!("^{prefix}/*"), &path.0["replacePrefixMatch"]);
                action["regex_rewrite"] = json!({ "pattern": { "regex": pattern }, "substitution": to });
            }
            if let Some(mirror) = filter.get("requestMirror") {
                let mirror = Fields::of(mirror, &["backendRef", "percent"]);
                let part = mirror.0["percent"].as_f64().unwrap();
                action["request_mirror_policies"] = mirrored(&backend(&mirror.0["backendRef"]), part);
            }
        }
        let matched = match prefix.as_str() {
            "/" => json!({ "prefix": "/" }),
            prefix => json!({ "path_separated_prefix": prefix }),
        };
        routes.push(json!({ "match": matched, "route": action }));
    }
    spec.list("hostnames").iter().map(|host| (text(host), routes.clone())).collect()
}

fn mirrored(cluster: &str, percent: f64) -> Value {
    let numerator = percent * 1e4;
    let part = json!({ "numerator": numerator as u64, "denominator": "MILLION" });
    json!([{ "cluster": cluster, "runtime_fraction": { "default_value": part } }])
}

fn cluster(of: &Backend<'_>) -> Value {
    let address = json!({ "socket_address": { "address": of.addr.ip().to_string(), "port_value": of.addr.port() } });
    let protocol = if of.http2 { "http2_protocol_options" } else { "http_protocol_options" };
    let options = format!("{TYPES}.upstreams.http.v3.HttpProtocolOptions");
    json!({
        "name": of.name,
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": of.name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions":
                { "@type": options, "explicit_http_config": { protocol: {} } },
        },
    })
}

fn bootstrap(at: SocketAddr, hosts: &Value, clusters: &Value) -> Value {
    let router = format!("{TYPES}.filters.http.router.v3.Router");
    let manager = json!({
        "@type": format!("{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "gateway",
        "codec_type": "AUTO",
        "route_config": { "name": "r", "virtual_hosts": hosts },
        "http_filters": [{ "name": "envoy.filters.http.router", "typed_config": { "@type": router } }],
    });
    let filter = json!({ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager });
    let address = json!({ "socket_address": { "address": at.ip().to_string(), "port_value": at.port() } });
    json!({ "static_resources": {
        "listeners": [{ "name": "in", "address": address, "filter_chains": [{ "filters": [filter] }] }],
        "clusters": clusters,
    }})
}

/// An object all of whose fields are known.
struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    #[track_caller]
    fn of(value: &'a Value, known: &[&str]) -> Self {
        let fields = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
        let unknown: Vec<_> = fields.keys().filter(|key| !known.contains(&key.as_str())).collect();
        assert!(unknown.is_empty(), "{unknown:?} is not understood in {value}");
        Self(fields)
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.0.get(key)
    }

    #[track_caller]
    fn list(&self, key: &str) -> &'a Vec<Value> {
        self.get(key).and_then(Value::as_array).unwrap_or_else(|| panic!("no list {key} in {:?}", self.0))
    }
}

#[track_caller]
fn text(of: &Value) -> String {
    of.as_str().unwrap_or_else(|| panic!("no text: {of}")).to_owned()
}
