//! nginx as a proxy, plain or mirroring.

use std::path::Path;

use anyhow::Context;

use super::{Contender, Kind};
use crate::running::{find, free_address};
use crate::upstream::{Upstream, start_nginx};

pub(super) fn start(kind: Kind, upstream: &Upstream, dir: &Path) -> anyhow::Result<Contender> {
    let (http1, http2) = (free_address()?, free_address()?);
    let to = "proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host";
    let (name, mirror, location) = match kind {
        Kind::NginxMirror => (
            "nginx-mirror",
            "mirror /mirror; mirror_request_body on;",
            format!("location = /mirror {{ internal; {to} $host-shadow; proxy_pass http://shadow$request_uri; }}"),
        ),
        _ => ("nginx", "", String::new()),
    };
    let pool =
        |name: &str, at| format!("upstream {name} {{ server {at}; keepalive 256; keepalive_requests 100000000; }}\n");
    let http = format!(
        "proxy_buffers 32 4k; proxy_max_temp_file_size 0;\n{}{}server {{ listen {http1}; listen {http2} http2;\n\
         location / {{ {mirror} {to} $host; proxy_pass http://production; }}\n{location}\n}}\n",
        pool("production", upstream.production),
        pool("shadow", upstream.shadow),
    );
    let nginx = find("nginx").context("nginx is not installed")?;
    Ok(Contender { kind, running: start_nginx(name, &nginx, &http, dir)?, http1, http2, admin: None })
}
