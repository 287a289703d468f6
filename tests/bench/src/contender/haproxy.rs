//! HAProxy as a plain proxy. It has no mirror of its own.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::{Contender, Kind};
use crate::running::{Running, find, free_address};
use crate::upstream::Upstream;

pub(super) fn start(upstream: &Upstream, dir: &Path) -> anyhow::Result<Contender> {
    let (http1, http2) = (free_address()?, free_address()?);
    let text = format!(
        "global\n  nbthread 1\n  maxconn 8000\n\
         defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n  http-reuse always\n\
         frontend in\n  bind {http1}\n  bind {http2} proto h2\n  default_backend production\n\
         backend production\n  server one {}\n",
        upstream.production
    );
    let config = dir.join("haproxy.cfg");
    std::fs::write(&config, text)?;
    let haproxy = find("haproxy").context("haproxy is not installed")?;
    let running = Running::start("haproxy", Command::new(haproxy).args(["-db", "-f"]).arg(&config), dir)?;
    Ok(Contender { kind: Kind::Haproxy, running, http1, http2, admin: None })
}
