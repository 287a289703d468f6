//! A connection that has been idle for a while, looked at once more before it is used.
//!
//! An origin may close an idle connection at any time. The runtime tells of it at its next turn, and a request that is
//! written before that is lost: nobody knows whether it was handled, so it may not be sent again. So the library is made to
//! ask the kernel itself; what it then finds closed gives the request back unsent.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use umbra_common::dial::Stream;

use super::waking::Waking;

/// The stream that the library is given.
#[derive(Debug)]
pub(super) struct Fresh {
    stream: Stream,
    look: Look,
    waking: Waking,
}

/// Asks for a look. Clones share it; everything is on one thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Look(Arc<AtomicBool>);

impl Look {
    /// The next read asks the kernel.
    pub(super) fn again(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    // One thread reads and writes: no need for an exchange that no other thread can interrupt.
    fn take(&self) -> bool {
        let wanted = self.0.load(Ordering::Relaxed);
        if wanted {
            self.0.store(false, Ordering::Relaxed);
        }
        wanted
    }
}

impl Fresh {
    /// `waking`: of the task that reads it.
    pub(super) fn new(stream: Stream, waking: Waking) -> Self {
        Self { stream, look: Look::default(), waking }
    }

    /// Where a look is asked for.
    pub(super) fn look(&self) -> Look {
        self.look.clone()
    }

    /// Whether the peer has closed. With TLS anything that comes where nothing is due is its goodbye.
    fn is_closed(&self) -> io::Result<bool> {
        let mut byte = [std::mem::MaybeUninit::uninit()];
        match SockRef::from(self.stream.tcp()).peek(&mut byte) {
            Ok(0) => Ok(true),
            Ok(_) => Ok(self.stream.is_tls()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl AsyncRead for Fresh {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.waking.is_dry() {
            return Poll::Pending;
        }
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if polled.is_pending() {
            if self.look.take() && self.is_closed()? {
                // Nothing was read: the end.
                return Poll::Ready(Ok(()));
            }
            self.waking.dry();
        }
        polled
    }
}

impl AsyncWrite for Fresh {
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
