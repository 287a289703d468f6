//! What the recorder answers by itself: refusals, failures of the upstream, and everything in sink mode.

use http::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};
use umbra_common::exchange::is_grpc_content_type;

use crate::forward::ResponseBody;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// A gRPC status code (the gRPC specification's `statuscodes.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrpcStatus {
    Ok,
    Internal,
    Unavailable,
}

/// A status and a short text.
pub(crate) fn plain(status: StatusCode, text: &str) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::here(format!("umbra-recorder: {text}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// Nothing but a status.
pub(crate) fn empty(status: StatusCode) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::here(""));
    *response.status_mut() = status;
    response
}

/// A gRPC answer without a message: the trailers come as the header ("Trailers-Only"), with HTTP status 200.
pub(crate) fn grpc(kind: HeaderValue, status: GrpcStatus, message: &'static str) -> Response<ResponseBody> {
    let mut response = empty(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(
        GRPC_STATUS,
        HeaderValue::from_static(match status {
            GrpcStatus::Ok => "0",
            GrpcStatus::Internal => "13",
            GrpcStatus::Unavailable => "14",
        }),
    );
    if !message.is_empty() {
        headers.insert(GRPC_MESSAGE, HeaderValue::from_static(message));
    }
    response
}

/// The content type of a gRPC call, which its answer carries too.
pub(crate) fn grpc_kind(parts: &Parts) -> Option<HeaderValue> {
    parts.headers.get(CONTENT_TYPE).filter(|kind| is_grpc_content_type(kind.as_bytes())).cloned()
}

/// An HTTP/1 response as the last of its connection; HTTP/2 says that by GOAWAY.
pub(crate) fn last(mut response: Response<ResponseBody>) -> Response<ResponseBody> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
