//! What an exchange holds of its upstream connection until its response has ended.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;

use super::{http1, http2};

/// One of the two.
#[derive(Debug)]
pub(super) enum Lease {
    /// A connection of its own, for a while.
    Http1(http1::Lease),
    /// A stream of a connection. Let go of wherever it is dropped.
    Http2(#[expect(dead_code, reason = "it counts as long as it is held")] http2::Stream),
}

impl Lease {
    /// The next piece of the response's body.
    pub(super) fn poll_frame(
        &self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self {
            Self::Http1(lease) => lease.waking().poll_frame(body, cx),
            Self::Http2(_) => Pin::new(body).poll_frame(cx),
        }
    }

    /// The exchange came to its end.
    pub(super) fn give_back(self) {
        match self {
            Self::Http1(lease) => lease.give_back(),
            Self::Http2(_) => {}
        }
    }
}
