//! HAProxy, which has no mirror of its own: a Lua action sends the copy.

use std::net::SocketAddr;

use super::{Proxy, SERVICE, SINK};
use crate::deployed;
use crate::installed::installed;
use crate::process::{Finished, Process};

const PACKAGE: &str = "apt-get install haproxy";

impl Proxy {
    /// HAProxy before `service`, with a Lua action that sends everything to `sink` too.
    #[track_caller]
    pub fn haproxy_mirror(service: SocketAddr, sink: SocketAddr) -> Self {
        Self::haproxy("mirror.cfg", ":8080", service, Some(sink))
    }

    /// HAProxy before staging's `service`, which takes the shadow host alone.
    #[track_caller]
    pub fn haproxy_shadow(service: SocketAddr) -> Self {
        Self::haproxy("shadow-host.cfg", ":8090", service, None)
    }

    #[track_caller]
    fn haproxy(file: &str, port: &str, service: SocketAddr, sink: Option<SocketAddr>) -> Self {
        let configure = |at: SocketAddr, directory: &tempfile::TempDir| {
            if let Some(sink) = sink {
                let script = deployed::text_with("proxies/haproxy/mirror.lua", &[(SINK, sink.to_string())]);
                std::fs::write(directory.path().join("mirror.lua"), script).unwrap();
            }
            let places = [(port, at.to_string()), (SERVICE, service.to_string())];
            deployed::text_with(&format!("proxies/haproxy/{file}"), &places)
        };
        Self::start("haproxy", PACKAGE, configure, |file| ["-db", "-f", file].map(str::to_owned).to_vec())
    }
}

/// HAProxy's own check of a shipped configuration, as it stands there.
#[track_caller]
pub fn check(file: &str) -> Finished {
    let file = deployed::path(file);
    Process::start(installed("haproxy", PACKAGE).to_str().unwrap(), &["-c", "-f", file.to_str().unwrap()], &[]).finish()
}
