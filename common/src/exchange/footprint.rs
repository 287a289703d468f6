//! What an exchange takes in memory, for budgets that are meant to hold.

use super::{Body, Exchange, Fields, Request, Response};

/// What an allocation of so many bytes takes on average: allocators round up to classes that are an eighth apart, and to
/// 16 bytes at least.
pub const fn allocated(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + bytes / 16).next_multiple_of(16) }
}

/// The counts in front of the text behind an `Arc<str>`.
const ARC_COUNTS: usize = 2 * size_of::<usize>();

impl Exchange {
    /// All of it, with what it holds on the heap, in bytes. What it shares with others counts as its own.
    pub fn footprint(&self) -> usize {
        allocated(size_of::<Self>())
            + self.request.heap()
            + allocated(self.session.len())
            + allocated(ARC_COUNTS + self.upstream.len())
            + allocated(ARC_COUNTS + self.recorder.len())
            + self.response.as_ref().map_or(0, Response::heap)
    }
}

impl Request {
    fn heap(&self) -> usize {
        let Self { method, target, authority, headers, body, trailers, .. } = self;
        let words = allocated(method.len()) + allocated(target.len()) + allocated(authority.len());
        words + headers.heap() + body.heap() + trailers.heap()
    }
}

impl Response {
    fn heap(&self) -> usize {
        self.headers.heap() + self.body.heap() + self.trailers.heap()
    }
}

impl Body {
    fn heap(&self) -> usize {
        allocated(self.bytes.len())
    }
}

impl Fields {
    fn heap(&self) -> usize {
        allocated(self.capacity())
    }
}
