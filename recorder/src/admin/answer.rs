//! The endpoints.

use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CONTENT_TYPE, ETAG, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use prometheus_client::encoding::text;
use tokio::time::timeout;

use super::access::Denied;
use super::{Desk, View, plain, status};
use crate::rules::{LARGEST_RULES, Origin};

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const TOML: &str = "application/toml";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A body has to come within this time.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Livez,
    Readyz,
    Metrics,
    Status,
    Rules,
    Pause,
    Resume,
    Drain,
}

impl Endpoint {
    fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/livez" => Self::Livez,
            "/readyz" => Self::Readyz,
            "/metrics" => Self::Metrics,
            "/status" => Self::Status,
            "/rules" => Self::Rules,
            "/recording/pause" => Self::Pause,
            "/recording/resume" => Self::Resume,
            "/drain" => Self::Drain,
            _ => return None,
        })
    }

    fn methods(self) -> &'static str {
        match self {
            Self::Livez | Self::Readyz | Self::Metrics | Self::Status => "GET, HEAD",
            Self::Rules => "GET, HEAD, PUT",
            Self::Pause | Self::Resume | Self::Drain => "POST",
        }
    }

    /// Probes have no token, and learn nothing that is worth one. Scrapers can have one.
    fn is_open(self) -> bool {
        matches!(self, Self::Livez | Self::Readyz)
    }
}

/// Answers one request.
pub(super) async fn answer(request: Request<Incoming>, desk: Rc<Desk>) -> Result<Response<Full<Bytes>>, Infallible> {
    let Some(endpoint) = Endpoint::of(request.uri().path()) else {
        let paths = "give /livez, /readyz, /metrics, /status, /rules, /recording/pause, /recording/resume or /drain\n";
        return Ok(respond(StatusCode::NOT_FOUND, TEXT, paths));
    };
    if !endpoint.methods().split(", ").any(|method| method == request.method().as_str()) {
        let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, format!("give {}\n", endpoint.methods()));
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(endpoint.methods()));
        return Ok(response);
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if !endpoint.is_open()
        && let Err(denied) = desk.access.check(request.headers(), changes)
    {
        return Ok(turned_away(denied));
    }
    Ok(match endpoint {
        Endpoint::Livez => respond(StatusCode::OK, TEXT, "ok\n"),
        // Whether the store takes records is no reason to take traffic away from the service behind.
        Endpoint::Readyz if desk.view.is_draining() => respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, "draining\n"),
        Endpoint::Readyz => respond(StatusCode::OK, TEXT, "ok\n"),
        Endpoint::Metrics => metrics(&desk),
        Endpoint::Status if wants_text(&request) => respond(StatusCode::OK, TEXT, plain::text(&status::of(&desk.view))),
        Endpoint::Status => respond(StatusCode::OK, JSON, format!("{:#}\n", status::of(&desk.view))),
        Endpoint::Rules if changes => put_rules(request.into_body(), &desk.view).await,
        Endpoint::Rules => rules(&desk.view),
        Endpoint::Pause | Endpoint::Resume => {
            desk.view.shared.rules.pause(endpoint == Endpoint::Pause);
            let recording = status::recording(&desk.view);
            respond(StatusCode::OK, JSON, format!("{recording:#}\n"))
        }
        Endpoint::Drain => {
            tracing::info!("a drain is asked for by the admin listener");
            desk.view.drain.notify_one();
            respond(StatusCode::ACCEPTED, TEXT, "draining\n")
        }
    })
}

fn turned_away(denied: Denied) -> Response<Full<Bytes>> {
    match denied {
        Denied::Token => {
            let mut response = respond(StatusCode::UNAUTHORIZED, TEXT, "give the token of --admin-token\n");
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
        Denied::Browser => respond(StatusCode::FORBIDDEN, TEXT, "a page in a browser changes nothing here\n"),
    }
}

fn metrics(desk: &Desk) -> Response<Full<Bytes>> {
    let mut metrics = String::new();
    match text::encode(&mut metrics, &desk.registry) {
        Ok(()) => respond(StatusCode::OK, OPEN_METRICS, metrics),
        Err(_) => respond(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "the metrics cannot be written\n"),
    }
}

/// Who can read both is given JSON.
fn wants_text(request: &Request<Incoming>) -> bool {
    let asked = request.uri().query().and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("format=")));
    let accepts = |kind: &str| {
        request.headers().get_all(ACCEPT).iter().any(|value| value.to_str().is_ok_and(|value| value.contains(kind)))
    };
    asked.map_or_else(|| accepts("text/plain") && !accepts("json"), |format| format == "text")
}

fn rules(view: &View) -> Response<Full<Bytes>> {
    let live = view.shared.rules.live();
    let mut response = respond(StatusCode::OK, TOML, live.text().to_owned());
    if let Ok(version) = format!("\"{}\"", live.version()).parse() {
        response.headers_mut().insert(ETAG, version);
    }
    response
}

async fn put_rules(body: Incoming, view: &View) -> Response<Full<Bytes>> {
    let limit = usize::try_from(LARGEST_RULES).unwrap_or(usize::MAX);
    let too_large =
        || respond(StatusCode::PAYLOAD_TOO_LARGE, TEXT, format!("rules have at most {LARGEST_RULES} bytes\n"));
    if body.size_hint().lower() > LARGEST_RULES {
        return too_large();
    }
    let body = match timeout(BODY_TIMEOUT, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return too_large(),
        Ok(Err(error)) => return respond(StatusCode::BAD_REQUEST, TEXT, format!("the body broke off: {error}\n")),
        Err(_) => return respond(StatusCode::REQUEST_TIMEOUT, TEXT, "the body did not come in time\n"),
    };
    let Ok(text) = std::str::from_utf8(&body) else {
        return respond(StatusCode::BAD_REQUEST, TEXT, "rules are TOML, which is UTF-8\n");
    };
    match view.shared.rules.put(text, Origin::Admin) {
        Ok(_) => respond(StatusCode::OK, JSON, format!("{:#}\n", status::rules(view))),
        Err(error) => respond(StatusCode::BAD_REQUEST, TEXT, format!("{error}\n")),
    }
}

fn respond(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
