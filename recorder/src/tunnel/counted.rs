//! The client's side of a tunnel, at which everything that passes is counted.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::metrics::Counters;

/// Counts bytes both ways.
#[derive(Debug)]
pub(super) struct Counted<'a, S> {
    stream: S,
    counters: &'a Counters,
    passed: Rc<Cell<u64>>,
}

impl<'a, S> Counted<'a, S> {
    pub(super) fn new(stream: S, counters: &'a Counters) -> Self {
        Self { stream, counters, passed: Rc::default() }
    }

    /// How many bytes have passed, both ways together.
    pub(super) fn passed(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.passed)
    }

    fn add(&self, bytes: usize) -> u64 {
        self.passed.set(self.passed.get() + bytes as u64);
        bytes as u64
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<'_, S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.counters.tunnel_up.inc_by(self.add(buf.filled().len() - before));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<'_, S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.counters.tunnel_down.inc_by(self.add(written));
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
