//! The admin listener: whether the program lives, whether it sends, and its figures.

mod metrics;

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use tokio::sync::oneshot;

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
    /// Starts one where an address is given.
    pub(crate) fn start(address: Option<SocketAddr>) -> Result<Self, RunError> {
        let lanes = Lanes::default();
        let Some(address) = address else {
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
        #[cfg(test)]
        let bound = listener.local_addr().ok();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(why)?;
        let (end, ended) = oneshot::channel();
        let view = Arc::new(View { registry: metrics::registry(lanes.clone()), lanes: lanes.clone() });
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
            address: bound,
            _end: Some(end),
        })
    }

    /// Shows these lanes, and says that the program is ready. `follows` where they follow the live tail.
    pub(crate) fn watch(&self, lanes: &[Lane], follows: bool) {
        let shown = lanes.iter().map(|lane| Shown {
            target: lane.target.name.clone(),
            ledger: lane.ledger.clone(),
            live: lane.live.clone(),
            follows,
        });
        *self.lanes.lock().unwrap_or_else(PoisonError::into_inner) = shown.collect();
    }
}

struct View {
    registry: Registry,
    lanes: Lanes,
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
            let answer = view.answer(&request);
            async { Ok::<_, Infallible>(answer) }
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

impl View {
    fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "use GET\n");
        }
        match request.uri().path() {
            "/livez" => plain(StatusCode::OK, "ok\n"),
            "/readyz" if self.lanes.lock().unwrap_or_else(PoisonError::into_inner).is_empty() => {
                plain(StatusCode::SERVICE_UNAVAILABLE, "the store is being opened\n")
            }
            "/readyz" => plain(StatusCode::OK, "ok\n"),
            "/metrics" => {
                let mut body = String::new();
                match text::encode(&mut body, &self.registry) {
                    Ok(()) => answer(StatusCode::OK, OPENMETRICS, body),
                    Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n"),
                }
            }
            _ => plain(StatusCode::NOT_FOUND, "there is /livez, /readyz and /metrics\n"),
        }
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    answer(status, "text/plain; charset=utf-8", text)
}

fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Live;
    use std::io::{Read, Write};
    use umbra_common::ledger::{Ledger, ReplayOutcome};

    fn get(admin: &Admin, path: &str) -> String {
        let mut stream = std::net::TcpStream::connect(admin.address.unwrap()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn figures_are_read_from_the_ledger() {
        let admin = Admin::start("127.0.0.1:0".parse().ok()).unwrap();
        assert!(get(&admin, "/livez").starts_with("HTTP/1.1 200"));
        assert!(get(&admin, "/readyz").starts_with("HTTP/1.1 503"));
        let (ledger, live) = (Ledger::new(), Arc::new(Live::default()));
        ledger.open().end(ReplayOutcome::Answered);
        live.sent(Some(Duration::from_micros(200)), Some(Duration::from_millis(2)));
        let shown = Shown { target: "v2".into(), ledger, live, follows: false };
        admin.lanes.lock().unwrap().push(shown);
        assert!(get(&admin, "/readyz").starts_with("HTTP/1.1 200"));
        let metrics = get(&admin, "/metrics");
        for line in [
            "umbra_replayer_exchanges_seen_total{target=\"v2\"} 1",
            "umbra_replayer_exchanges_ended_total{target=\"v2\",state=\"answered\",reason=\"\"} 1",
            "umbra_replayer_in_flight{target=\"v2\"} 0",
            "umbra_replayer_lag_seconds_bucket{le=\"0.0003\",target=\"v2\"} 1",
            "umbra_replayer_latency_seconds_count{target=\"v2\"} 1",
        ] {
            assert!(metrics.contains(line), "{line} is not in {metrics}");
        }
        assert!(get(&admin, "/").starts_with("HTTP/1.1 404"));
    }

    #[test]
    fn an_address_in_use_is_refused() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = Admin::start(taken.local_addr().ok()).err().unwrap();
        assert!(error.to_string().contains("cannot listen on the admin address"));
        assert_eq!(error.status(), crate::error::ExitStatus::Usage);
    }
}
