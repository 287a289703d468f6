//! The admin listener: what operators and their programs ask.

mod status;

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::Receiver;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use umbra_common::store::StoreHealth;

use crate::metrics;
use crate::queue::Batch;
use crate::worker::{Phase, Shared};

const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

/// What can be seen of a running recorder.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) shared: Arc<Shared>,
    pub(crate) health: Arc<StoreHealth>,
    pub(crate) queue: Receiver<Batch>,
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) started: Instant,
}

impl View {
    /// Batches that wait for the store's thread.
    pub(crate) fn queued(&self) -> u64 {
        self.queue.len() as u64
    }

    fn is_draining(&self) -> bool {
        *self.phase.borrow() != Phase::Serving
    }
}

/// Answers until `stop` is dropped.
pub(crate) fn run(listener: TcpListener, view: Arc<View>, mut stop: watch::Receiver<()>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default())?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let registry = Arc::new(metrics::registry(Arc::clone(&view)));
        tokio::task::spawn_local(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => serve(TokioIo::new(stream), &view, &registry),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept an admin connection; trying again after a pause");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        });
        // Nothing is ever sent: an error says that the recorder has let go of the other end.
        while stop.changed().await.is_ok() {}
        Ok(())
    })
}

fn serve(io: TokioIo<tokio::net::TcpStream>, view: &Arc<View>, registry: &Arc<Registry>) {
    let (view, registry) = (Arc::clone(view), Arc::clone(registry));
    let service = service_fn(move |request| {
        let answer = answer(&request, &view, &registry);
        async move { Ok::<_, Infallible>(answer) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let connection = builder.serve_connection(io, service);
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an admin connection broke");
        }
    });
}

fn answer<B>(request: &Request<B>, view: &View, registry: &Registry) -> Response<Full<Bytes>> {
    const TEXT: &str = "text/plain; charset=utf-8";
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, "give GET\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/livez" => respond(StatusCode::OK, TEXT, "ok\n"),
        // Whether the store takes records is no reason to take traffic away from the service behind.
        "/readyz" if view.is_draining() => respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, "draining\n"),
        "/readyz" => respond(StatusCode::OK, TEXT, "ok\n"),
        "/metrics" => {
            let mut metrics = String::new();
            match text::encode(&mut metrics, registry) {
                Ok(()) => respond(StatusCode::OK, OPEN_METRICS, metrics),
                Err(_) => respond(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "the metrics cannot be written\n"),
            }
        }
        "/status" => respond(StatusCode::OK, "application/json", status::json(view)),
        _ => respond(StatusCode::NOT_FOUND, TEXT, "give /livez, /readyz, /metrics or /status\n"),
    }
}

fn respond(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
