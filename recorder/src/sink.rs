//! Sink mode: answers by itself, so that another proxy's mirror can be the tap.

use std::pin::Pin;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};
use http_body::Body;
use std::future::poll_fn;
use umbra_common::exchange::{Ending, is_grpc_content_type};

use crate::forward::{RequestBody, ResponseBody};
use crate::tap::Tap;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// Takes the whole request, then says that there is nothing to say: 204, or an OK without a message to gRPC.
pub(crate) async fn answer(parts: &Parts, mut body: RequestBody, tap: Option<Tap>) -> Response<ResponseBody> {
    while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {}
    let mut response = Response::new(ResponseBody::here(""));
    match parts.headers.get(CONTENT_TYPE) {
        Some(kind) if is_grpc_content_type(kind.as_bytes()) => {
            response.headers_mut().insert(CONTENT_TYPE, kind.clone());
            response.headers_mut().insert(GRPC_STATUS, HeaderValue::from_static("0"));
        }
        _ => *response.status_mut() = StatusCode::NO_CONTENT,
    }
    if let Some(tap) = tap {
        // A mirror's answer is nobody's response: none is recorded.
        tap.end(Ending::Sunk);
    }
    response
}
