//! What stands behind every proxy: a server that answers with 48 bytes, or 64 KiB where that is asked for, and a second one for what mirrors send.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::running::{Running, find, free_address};

const BODY: &str = "{\"hello\":\"world\",\"items\":[1,2,3,4,5],\"ok\":true}\n";

/// What `/64k` answers.
static LARGE: [u8; 64 << 10] = [b'x'; 64 << 10];

/// The two servers.
#[derive(Debug)]
pub struct Upstream {
    /// Production.
    pub production: SocketAddr,
    /// What mirrors send goes here.
    pub shadow: SocketAddr,
    /// What serves them, for the report.
    pub what: &'static str,
    _nginx: Option<Running>,
}

impl Upstream {
    /// nginx where it is installed, with one worker; else hyper on one thread of this process.
    pub fn start(dir: &Path) -> anyhow::Result<Self> {
        match find("nginx") {
            Some(nginx) => Self::nginx(&nginx, dir),
            None => {
                let (production, shadow) = (hyper_server()?, hyper_server()?);
                Ok(Self {
                    production,
                    shadow,
                    what: "hyper, in the bench's own process: nginx is not installed",
                    _nginx: None,
                })
            }
        }
    }

    fn nginx(nginx: &Path, dir: &Path) -> anyhow::Result<Self> {
        let (production, shadow) = (free_address()?, free_address()?);
        let large = dir.join("64k");
        std::fs::write(&large, LARGE)?;
        let location = format!(
            "location / {{ default_type application/json; return 200 '{}'; }}\nlocation = /64k {{ alias {}; }}",
            BODY.replace('\n', "\\n"),
            large.display()
        );
        let servers: String = [production, shadow].map(|a| format!("server {{ listen {a}; {location} }}\n")).concat();
        let mut running = start_nginx("upstream", nginx, &servers, dir)?;
        running.answers(production)?;
        Ok(Self { production, shadow, what: "nginx, one worker", _nginx: Some(running) })
    }
}

/// Starts an nginx with one worker and these directives in its `http` block.
pub fn start_nginx(name: &str, nginx: &Path, http: &str, dir: &Path) -> anyhow::Result<Running> {
    let prefix = dir.join(name);
    std::fs::create_dir_all(&prefix)?;
    let config = prefix.join("nginx.conf");
    let text = format!(
        "daemon off;\nworker_processes 1;\npid {prefix}/pid;\nerror_log stderr crit;\n\
         events {{ worker_connections 16384; }}\n\
         http {{\naccess_log off;\nkeepalive_requests 100000000;\n\
         client_body_temp_path {prefix}/body;\nproxy_temp_path {prefix}/proxy;\nfastcgi_temp_path {prefix}/fastcgi;\n\
         uwsgi_temp_path {prefix}/uwsgi;\nscgi_temp_path {prefix}/scgi;\n{http}}}\n",
        prefix = prefix.display()
    );
    std::fs::write(&config, text)?;
    Running::start(name, Command::new(nginx).args(["-e", "stderr", "-p"]).arg(&prefix).arg("-c").arg(&config), dir)
}

/// A server on a thread of its own, which ends with the process.
fn hyper_server() -> anyhow::Result<SocketAddr> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).context("cannot listen")?;
    let addr = listener.local_addr()?;
    std::thread::spawn(move || {
        runtime.block_on(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
                tokio::spawn(served);
            }
        });
    });
    Ok(addr)
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = if request.uri().path() == "/64k" { &LARGE } else { BODY.as_bytes() };
    Ok(Response::new(Full::new(Bytes::from_static(body))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::running::get;

    #[test]
    fn the_server_for_machines_without_nginx_answers_the_same_bytes() {
        assert_eq!(get(hyper_server().unwrap(), "/any"), Some(BODY.to_owned()));
        assert_eq!(get(hyper_server().unwrap(), "/64k").map(|body| body.len()), Some(64 << 10));
        assert_eq!(BODY.len(), 48);
    }
}
