//! HAProxy, which has no mirror of its own: a Lua action sends the copy.

use std::net::SocketAddr;

use tempfile::TempDir;

use super::Proxy;

/// Gives the sink what the client sent, without waiting for its answer.
const MIRROR: &str = r#"
core.register_action("umbra_mirror", { "http-req" }, function(txn)
  local headers = txn.http:req_get_headers()
  local host = headers["host"] and headers["host"][0] or ""
  headers["host"] = { [0] = (string.gsub(host, "^([^:]*)", "%1-shadow", 1)) }
  local method = string.lower(txn.sf:method())
  local url = "http://SINK" .. txn.sf:pathq()
  local body = txn.sf:req_body()
  core.register_task(function()
    local client = core.httpclient()
    client[method](client, { url = url, headers = headers, body = body })
  end)
end)
"#;

impl Proxy {
    /// HAProxy before `origin`, with a Lua action that sends everything to `sink` too.
    #[track_caller]
    pub fn haproxy(origin: SocketAddr, sink: SocketAddr) -> Self {
        let configure = |at: SocketAddr, directory: &TempDir| {
            let script = directory.path().join("mirror.lua");
            std::fs::write(&script, MIRROR.replace("SINK", &sink.to_string())).unwrap();
            format!(
                "global
  lua-load {}
defaults
  mode http
  timeout connect 5s
  timeout client 10s
  timeout server 10s
  option http-buffer-request
frontend f
  bind {at}
  http-request lua.umbra_mirror
  default_backend b
backend b
  server s {origin}
",
                script.display()
            )
        };
        Self::start("haproxy", "apt-get install haproxy", configure, |file| {
            ["-db", "-f", file].map(str::to_owned).to_vec()
        })
    }
}
