//! Says when something has come on a connection, until somebody has heard what he waits for.
//!
//! The library applies the upstream's first frame and tells nobody; whoever asks it after each read learns of it at once.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The stream that the library is given.
#[derive(Debug)]
pub(super) struct Heard<S> {
    stream: S,
    ear: Ear,
}

/// Who waits. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Ear(Rc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    done: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Ear {
    /// Wakes this task after the next read.
    pub(super) fn listen(&self, cx: &Context<'_>) {
        self.0.waker.replace(Some(cx.waker().clone()));
    }

    /// Nothing is waited for any more.
    pub(super) fn is_content(&self) {
        self.0.done.set(true);
        self.0.waker.take();
    }

    fn heard(&self) {
        if self.0.done.get() {
            return;
        }
        let waiting = self.0.waker.take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

impl<S> Heard<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, ear: Ear::default() }
    }

    pub(super) fn ear(&self) -> Ear {
        self.ear.clone()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if polled.is_ready() {
            self.ear.heard();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
