//! A service as a team would run it: one port for HTTP/1.1, cleartext HTTP/2 and gRPC, with an access log.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::net::TcpListener;

use crate::screen::{Screen, Style};
use crate::sighting::{Sighting, Status, grpc_status};
use crate::{echo, greeter};

/// A running service. It stops with the process.
#[derive(Debug)]
pub struct Service {
    addr: SocketAddr,
    log: Arc<AccessLog>,
}

#[derive(Debug)]
struct AccessLog {
    name: &'static str,
    screen: Screen,
    /// None once it has been taken: what `--keep` serves later is printed and not kept.
    seen: Mutex<Option<Vec<Sighting>>>,
}

impl Service {
    /// Starts the service called `name` on a free port of the loopback interface.
    pub async fn start(name: &'static str, screen: Screen) -> anyhow::Result<Self> {
        let log = Arc::new(AccessLog { name, screen, seen: Mutex::new(Some(Vec::new())) });
        let router = greeter::routes(name, echo::routes(name))
            .layer(middleware::from_fn_with_state(Arc::clone(&log), write_access_log));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        // axum's server never returns: it logs and retries what fails in accepting.
        tokio::spawn(axum::serve(listener, router).into_future());
        Ok(Self { addr, log })
    }

    /// The URL it is reached at.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What it has received so far, in order. From here on it keeps nothing.
    pub fn take_seen(&self) -> Vec<Sighting> {
        self.log.seen.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }
}

impl AccessLog {
    fn write(&self, seen: Sighting) {
        let status = seen.status.map_or_else(String::new, |s| s.to_string());
        self.screen.styled(
            Style::Dim,
            format_args!("   {}  {:6} {:42} host={}  {status}", self.name, seen.method, seen.target, seen.host),
        );
        if let Some(all) = self.seen.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            all.push(seen);
        }
    }
}

/// Reads the whole request and the whole response, so that the line is written before the client has its answer.
async fn write_access_log(State(log): State<Arc<AccessLog>>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return (StatusCode::BAD_REQUEST, "the body broke off\n").into_response();
    };
    let body = body.to_bytes();
    let mut seen = Sighting::of(&head, body.clone());
    let (head, body) = next.run(Request::from_parts(head, Body::from(body))).await.into_parts();
    let Ok(body) = body.collect().await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    seen.status = Some(Status::new(head.status.as_u16(), grpc_status(&head.headers, body.trailers())));
    log.write(seen);
    Response::from_parts(head, Body::new(body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client;

    #[tokio::test]
    async fn a_service_sees_what_the_client_sent_to_the_byte() {
        let service = Service::start("v1", Screen::plain(std::io::sink())).await.unwrap();
        let sent = client::send_all(service.addr).await.unwrap();
        assert_eq!(service.take_seen(), sent);
        let statuses: Vec<_> = sent.iter().filter_map(|s| s.status).map(|s| s.to_string()).collect();
        assert_eq!(statuses[7..10], ["404", "503", "200"]);
        assert_eq!(statuses[10..], ["200, grpc 0", "200, grpc 0", "200, grpc 3"]);
        assert_eq!(sent[9].odd.as_deref(), Some(&b"caf\xe9 \xff"[..]));
        assert_eq!(sent[5].body, "first piece, second piece, last piece");
    }

    #[tokio::test]
    async fn what_was_taken_is_not_kept_any_longer() {
        let service = Service::start("v1", Screen::plain(std::io::sink())).await.unwrap();
        assert!(service.take_seen().is_empty());
        client::send_all(service.addr).await.unwrap();
        assert!(service.take_seen().is_empty());
    }
}
