//! A client's HTTP/2 connection with the watch over its frames in it.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Refused;
use super::inbound::{Flood, Inbound};
use super::outbound::{Outbound, Sent};
use crate::deadlines::Deadlines;

/// The stream that the HTTP library is given.
///
/// After a flood nothing more is read from it. Whoever holds the [`FrameWatch`] then ends the connection.
#[derive(Debug)]
pub(crate) struct Framed<S>(Rc<Inner<S>>);

/// The connection's own view of its frames, which outlives the library's part of it.
#[derive(Debug)]
pub(crate) struct FrameWatch<S>(Rc<Inner<S>>);

struct Inner<S> {
    stream: RefCell<S>,
    inbound: RefCell<Inbound>,
    outbound: RefCell<Outbound>,
    flood: Cell<Option<Flood>>,
    sent: Rc<Cell<u64>>,
    deadlines: Rc<Deadlines>,
    on_refused: Box<dyn Fn(Refused)>,
}

impl<S> std::fmt::Debug for Inner<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner")
            .field("inbound", &self.inbound)
            .field("outbound", &self.outbound)
            .finish_non_exhaustive()
    }
}

impl<S> Framed<S> {
    /// Watches a stream. A header block may have `largest_block` bytes; what the library refuses is told to `on_refused`.
    pub(crate) fn new(
        stream: S,
        largest_block: usize,
        deadlines: &Rc<Deadlines>,
        on_refused: impl Fn(Refused) + 'static,
    ) -> (Self, FrameWatch<S>) {
        let inner = Rc::new(Inner {
            stream: RefCell::new(stream),
            inbound: RefCell::new(Inbound::new(largest_block, deadlines.now())),
            outbound: RefCell::new(Outbound::new()),
            flood: Cell::new(None),
            sent: Rc::default(),
            deadlines: Rc::clone(deadlines),
            on_refused: Box::new(on_refused),
        });
        (Self(Rc::clone(&inner)), FrameWatch(inner))
    }
}

impl<S> FrameWatch<S> {
    /// Why nothing more is read, if so.
    pub(crate) fn flood(&self) -> Option<Flood> {
        self.0.flood.get()
    }

    /// Whether a header block has begun and not ended.
    pub(crate) fn is_in_block(&self) -> bool {
        self.0.inbound.borrow().is_in_block()
    }

    /// How many bytes of bodies were sent.
    pub(crate) fn sent(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.0.sent)
    }

    /// The stream and the highest stream identifier that came on it, once the library has let go of it; nothing where
    /// another frame may not follow.
    pub(crate) fn into_stream(self) -> Option<(S, u32)> {
        let inner = Rc::into_inner(self.0)?;
        let last = inner.inbound.into_inner().last_stream();
        inner.outbound.into_inner().is_between().then(|| (inner.stream.into_inner(), last))
    }
}

impl<S> Inner<S> {
    fn wrote(&self, parts: &[io::IoSlice<'_>], mut written: usize) {
        let (mut outbound, mut inbound) = (self.outbound.borrow_mut(), self.inbound.borrow_mut());
        for part in parts {
            let some = written.min(part.len());
            written -= some;
            outbound.feed(&part[..some], |sent| match sent {
                Sent::Response { data, end } => {
                    self.sent.set(self.sent.get().wrapping_add(data as u64));
                    inbound.answered(end);
                }
                Sent::Error(error) => (self.on_refused)(Refused::Error(error)),
                Sent::HeadTooLarge => (self.on_refused)(Refused::HeadTooLarge),
            });
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Framed<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let inner = &*self.0;
        // Whoever polls the library's connection looks for this afterwards.
        if inner.flood.get().is_some() {
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut *inner.stream.borrow_mut()).poll_read(cx, buf);
        let came = &buf.filled()[before..];
        if let Err(flood) = inner.inbound.borrow_mut().feed(came, inner.deadlines.now()) {
            inner.flood.set(Some(flood));
            buf.set_filled(before);
            return Poll::Pending;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Framed<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.0.stream.borrow_mut()).poll_write(cx, bytes);
        if let Poll::Ready(Ok(written)) = written {
            self.0.wrote(&[io::IoSlice::new(bytes)], written);
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.stream.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.stream.borrow_mut()).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.stream.borrow().is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.0.stream.borrow_mut()).poll_write_vectored(cx, parts);
        if let Poll::Ready(Ok(written)) = written {
            self.0.wrote(parts, written);
        }
        written
    }
}
