//! A recorded body on its way out again.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

/// The bytes and then the trailers.
#[derive(Clone, Debug, Default)]
pub struct RecordedBody {
    bytes: Bytes,
    trailers: Option<Box<HeaderMap>>,
}

impl RecordedBody {
    /// A body, with trailers where there are any.
    pub fn new(bytes: Bytes, trailers: Option<HeaderMap>) -> Self {
        Self { bytes, trailers: trailers.map(Box::new) }
    }

    /// The bytes without the trailers.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The trailers.
    pub(super) fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_deref()
    }

    /// Gives it other bytes; the trailers stay.
    pub fn replace(&mut self, bytes: Bytes) {
        self.bytes = bytes;
    }

    /// The length without the trailers.
    pub fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl http_body::Body for RecordedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !self.bytes.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.bytes)))));
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(*trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        // With trailers the length stays open: HTTP/1.1 carries them after chunks only.
        if self.trailers.is_some() { SizeHint::new() } else { SizeHint::with_exact(self.len()) }
    }
}
