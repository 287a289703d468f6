//! nginx, with its mirror module, or as an origin.

use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;

use super::{Proxy, SERVICE, SINK};
use crate::deployed;
use crate::installed::installed;
use crate::process::{Finished, Process};

const PACKAGE: &str = "apt-get install nginx-light";

impl Proxy {
    /// nginx before `service`, which mirrors everything to `sink` with the shadow host.
    #[track_caller]
    pub fn nginx_mirror(service: SocketAddr, sink: SocketAddr) -> Self {
        let places = |at| [("listen 8080", at), (SERVICE, service.to_string()), (SINK, sink.to_string())];
        Self::nginx(|at| deployed::text_with("proxies/nginx/mirror.conf", &places(format!("listen {at}"))))
    }

    /// nginx before staging's `service`, which takes the shadow host alone.
    #[track_caller]
    pub fn nginx_shadow(service: SocketAddr) -> Self {
        let places = |at| [("listen 8090", at), (SERVICE, service.to_string())];
        Self::nginx(|at| deployed::text_with("proxies/nginx/shadow-host.conf", &places(format!("listen {at}"))))
    }

    /// nginx as an origin by HTTP/2 without TLS, which answers so many requests on a connection, and then says goodbye.
    #[track_caller]
    pub fn nginx_that_ends_connections_after(requests: u32) -> Self {
        Self::nginx(|at| {
            format!("server {{ listen {at} http2; keepalive_requests {requests}; location / {{ return 200 hello; }} }}")
        })
    }

    #[track_caller]
    fn nginx(servers: impl Fn(SocketAddr) -> String) -> Self {
        let configure = |at, directory: &TempDir| around(&servers(at), directory.path());
        let arguments = |file: &str| ["-e", "stderr", "-c", file].map(str::to_owned).to_vec();
        Self::start("nginx", PACKAGE, configure, arguments)
    }
}

/// What stands around a file of `conf.d`.
fn around(servers: &str, directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "daemon off;
master_process off;
pid {directory}/pid;
error_log stderr crit;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
{servers}
}}
"
    )
}

/// nginx's own check of a shipped file of `conf.d`, as it stands there.
#[track_caller]
pub fn check(file: &str) -> Finished {
    let directory = tempfile::tempdir().unwrap();
    let whole = directory.path().join("nginx.conf");
    let include = format!("include {};", deployed::path(file).display());
    std::fs::write(&whole, around(&include, directory.path())).unwrap();
    let arguments = ["-t", "-e", "stderr", "-c", whole.to_str().unwrap()];
    Process::start(installed("nginx", PACKAGE).to_str().unwrap(), &arguments, &[]).finish()
}
