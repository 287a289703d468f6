//! The HTTP half of the service: a few of httpbin's routes, which answer with what they were asked.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::json;

use crate::sighting::text;

/// The routes of the service called `name`.
pub fn routes(name: &'static str) -> Router {
    Router::new()
        .route("/get", get(echo))
        .route("/headers", get(echo))
        .route("/post", post(echo))
        .route("/anything/{*path}", any(echo))
        .route("/status/{code}", any(status))
        .with_state(name)
}

async fn echo(
    State(name): State<&'static str>,
    method: Method,
    target: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    // A list, not a map: fields have an order and may come twice.
    let headers: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {}", text(value.as_bytes()))).collect();
    let answer = json!({
        "service": name,
        "method": method.as_str(),
        "target": target.to_string(),
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
    });
    ([(CONTENT_TYPE, "application/json")], format!("{answer:#}\n"))
}

async fn status(Path(code): Path<u16>) -> Response {
    match StatusCode::from_u16(code) {
        // 1xx is no final answer: a server that sent one would still owe the response.
        Ok(status) if !status.is_informational() => status.into_response(),
        _ => (StatusCode::BAD_REQUEST, format!("{code} is no final status: give 200 to 999\n")).into_response(),
    }
}
