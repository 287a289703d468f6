//! Sink mode: answers by itself, so that another proxy's mirror can be the tap.
//!
//! What the mirror added to the request comes off when the record is made (`tap::mirrored`).

use std::future::poll_fn;
use std::pin::Pin;

use http::request::Parts;
use http::{Response, StatusCode};
use http_body::Body;
use umbra_common::exchange::Ending;

use crate::answer::{GrpcStatus, empty, grpc, grpc_kind};
use crate::forward::{RequestBody, ResponseBody};
use crate::tap::Tap;

/// Takes the whole request, then says that there is nothing to say: 204, or an OK without a message to gRPC.
pub(crate) async fn answer(parts: &Parts, mut body: RequestBody, tap: Option<Tap>) -> Response<ResponseBody> {
    while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {}
    if let Some(tap) = tap {
        // A mirror's answer is nobody's response: none is recorded.
        tap.end(Ending::Sunk);
    }
    match grpc_kind(parts) {
        Some(kind) => grpc(kind, GrpcStatus::Ok, ""),
        None => empty(StatusCode::NO_CONTENT),
    }
}
