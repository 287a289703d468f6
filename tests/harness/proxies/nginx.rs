//! nginx with its mirror module.

use std::net::SocketAddr;

use tempfile::TempDir;

use super::Proxy;

impl Proxy {
    /// nginx before `origin`, which mirrors everything to `sink` with the shadow host.
    #[track_caller]
    pub fn nginx(origin: SocketAddr, sink: SocketAddr) -> Self {
        let arguments = |file: &str| ["-e", "stderr", "-c", file].map(str::to_owned).to_vec();
        let configure =
            |at, directory: &TempDir| configuration(at, origin, sink, &directory.path().display().to_string());
        Self::start("nginx", "apt-get install nginx-light", configure, arguments)
    }
}

fn configuration(at: SocketAddr, origin: SocketAddr, sink: SocketAddr, directory: &str) -> String {
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
  server {{
    listen {at};
    location / {{
      mirror /umbra-mirror;
      proxy_set_header Host $http_host;
      proxy_pass http://{origin};
    }}
    location = /umbra-mirror {{
      internal;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_set_header Host $host-shadow;
      proxy_pass http://{sink}$request_uri;
    }}
  }}
}}
"
    )
}
