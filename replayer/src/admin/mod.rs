//! The admin listener: whether the program lives, whether it sends, its figures, and an operator's commands.

mod commands;
mod metrics;
mod status;
mod token;

pub(crate) use commands::{Commands, Mode};

use std::convert::Infallible;
#[cfg(test)]
use std::net::SocketAddr;
use std::net::TcpListener;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use tokio::sync::oneshot;

use crate::command::{AdminConfig, AdminToken};
use crate::error::RunError;
use crate::lane::Lane;
use metrics::{Lanes, Shown};

/// A listener, or none. It ends with this.
pub(crate) struct Admin {
    lanes: Lanes,
    /// Where it listens.
    #[cfg(test)]
    address: Option<SocketAddr>,
    _end: Option<oneshot::Sender<()>>,
}

/// Nobody needs longer to send the head of a GET.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Admin {
    /// Starts one where that is configured.
    pub(crate) fn start(config: Option<&AdminConfig>, commands: Commands) -> Result<Self, RunError> {
        let lanes = Lanes::default();
        let Some(AdminConfig { address, token }) = config.cloned() else {
            return Ok(Self {
                lanes,
                #[cfg(test)]
                address: None,
                _end: None,
            });
        };
        let why = |why| RunError::Admin { address, why };
        let listener = TcpListener::bind(address).map_err(why)?;
        listener.set_nonblocking(true).map_err(why)?;
        let bound = listener.local_addr().unwrap_or(address);
        tracing::info!("admin on {bound}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(why)?;
        let (end, ended) = oneshot::channel();
        let registry = metrics::registry(lanes.clone(), commands.clone());
        let view = Arc::new(View { registry, lanes: lanes.clone(), commands, token });
        let serve = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, view) => {}
                    _ = ended => {}
                }
            });
        };
        std::thread::Builder::new().name("admin".into()).spawn(serve).map_err(why)?;
        Ok(Self {
            lanes,
            #[cfg(test)]
            address: Some(bound),
            _end: Some(end),
        })
    }

    /// Shows these lanes, and says that the program is ready.
    pub(crate) fn watch(&self, lanes: &[Lane]) {
        let shown = lanes.iter().map(|lane| Shown {
            target: lane.target.name.clone(),
            ledger: lane.ledger.clone(),
            live: lane.live.clone(),
            strain: lane.strain.clone(),
            breaker: lane.breaker.clone(),
        });
        *self.lanes.lock().unwrap_or_else(PoisonError::into_inner) = shown.collect();
    }
}

struct View {
    registry: Registry,
    lanes: Lanes,
    commands: Commands,
    token: Option<AdminToken>,
}

async fn accept(listener: TcpListener, view: Arc<View>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No file to spare: there may be one in a moment.
            tokio::time::sleep(RETRY).await;
            continue;
        };
        let view = Arc::clone(&view);
        let service = service_fn(move |request| {
            let view = Arc::clone(&view);
            async move { Ok::<_, Infallible>(view.answer(request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        // A client that goes away is no concern of the run's.
        tokio::spawn(async { drop(connection.await) });
    }
}

const RETRY: Duration = Duration::from_millis(100);

/// A command is a word.
const BODY_LIMIT: usize = 1024;

impl View {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        match (request.method(), &*path) {
            (&Method::GET, "/livez") => return plain(StatusCode::OK, "ok\n"),
            (&Method::GET, "/readyz") => return self.readiness(),
            _ => {}
        }
        if let Some(refusal) = self.refusal(request.headers()) {
            return refusal;
        }
        match (request.method(), &*path) {
            (&Method::GET, "/metrics") => {
                let mut body = String::new();
                match text::encode(&mut body, &self.registry) {
                    Ok(()) => answer(StatusCode::OK, OPENMETRICS, body),
                    Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n"),
                }
            }
            (&Method::GET, "/status") => answer(StatusCode::OK, JSON, status::json(&self.shown(), &self.commands)),
            (&Method::POST, "/pause" | "/resume" | "/rate" | "/stop") => {
                match Limited::new(request.into_body(), BODY_LIMIT).collect().await {
                    Ok(body) => self.commands.take(&path, &body.to_bytes()),
                    Err(_) => plain(StatusCode::PAYLOAD_TOO_LARGE, "a command is a word or none\n"),
                }
            }
            (_, "/livez" | "/readyz" | "/metrics" | "/status") => wrong_method("GET", "use GET\n"),
            (_, "/pause" | "/resume" | "/rate" | "/stop") => wrong_method("POST", "use POST\n"),
            _ => plain(StatusCode::NOT_FOUND, USAGE),
        }
    }

    /// Who may not watch and command: without the token, or from a page that a browser has open.
    fn refusal(&self, headers: &header::HeaderMap) -> Option<Response<Full<Bytes>>> {
        // Every page that an operator visits can post to loopback, and says so in this field.
        if headers.contains_key(header::ORIGIN) {
            return Some(plain(StatusCode::FORBIDDEN, "no page of a browser may ask this\n"));
        }
        let token = self.token.as_ref()?;
        if token::is_given(headers, token) {
            return None;
        }
        let mut refused = plain(StatusCode::UNAUTHORIZED, "give the token of --admin-token as a bearer token\n");
        refused.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        Some(refused)
    }

    fn readiness(&self) -> Response<Full<Bytes>> {
        if self.shown().is_empty() {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "the store is being opened\n");
        }
        plain(StatusCode::OK, "ok\n")
    }

    fn shown(&self) -> Vec<Shown> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

const JSON: &str = "application/json";
const USAGE: &str = "GET /livez, /readyz, /metrics or /status; POST /pause, /resume, /rate or /stop\n";

fn wrong_method(right: &'static str, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, text);
    response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static(right));
    response
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    answer(status, "text/plain; charset=utf-8", text)
}

fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests;
