//! A client's connection with the wire guard in it: the HTTP library reads only bytes that have passed.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::Refusal;
use super::wire::{Guard, HeadLimits};

/// The stream that the HTTP library is given.
///
/// After a refusal nothing more is read from it, and it stays open for writing: answers that are under way go out whole.
/// Whoever holds the [`Watch`] then ends the library's part and answers with the refusal.
#[derive(Debug)]
pub(crate) struct Guarded<S> {
    stream: S,
    watch: Watch,
}

/// The connection's own view of what its guard has seen. Clones share it.
///
/// The lock is held for the time of one state transition and never contended: both sides are on one thread.
#[derive(Clone, Debug)]
pub(crate) struct Watch(Arc<Mutex<Seen>>);

#[derive(Debug)]
struct Seen {
    guard: Guard,
    /// Why what follows is refused, once the library has had all that came before.
    refusal: Option<Refusal>,
    held: Option<Refusal>,
    /// Something was written since the last head was taken.
    answering: bool,
}

impl<S> Guarded<S> {
    /// Puts a guard into a stream.
    pub(crate) fn new(stream: S, limits: HeadLimits) -> Self {
        let seen = Mutex::new(Seen { guard: Guard::new(limits), refusal: None, held: None, answering: false });
        Self { stream, watch: Watch(Arc::new(seen)) }
    }

    /// The view of the guard.
    pub(crate) fn watch(&self) -> Watch {
        self.watch.clone()
    }
}

impl Watch {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The raw head of the request that the library gives next.
    pub(crate) fn take_head(&self) -> Option<Bytes> {
        let mut seen = self.seen();
        seen.answering = false;
        seen.guard.take_head()
    }

    /// Why nothing more is read, if so.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.seen().refusal
    }

    /// Whether what was refused is a request of its own, not the rest of one that has been handed on.
    pub(crate) fn is_between_requests(&self) -> bool {
        self.seen().guard.was_at_head()
    }

    /// Whether a request has passed that the library has not given yet.
    pub(crate) fn has_head(&self) -> bool {
        self.seen().guard.has_head()
    }

    /// Whether an answer to the request that was taken last has begun.
    pub(crate) fn is_answering(&self) -> bool {
        let seen = self.seen();
        seen.answering && !seen.guard.was_at_head()
    }

    /// Whether a head has begun and not ended.
    pub(crate) fn is_in_head(&self) -> bool {
        self.seen().guard.is_in_head()
    }

    /// Whether a body has begun and not ended.
    pub(crate) fn is_in_body(&self) -> bool {
        self.seen().guard.is_in_body()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guarded<S> {
    /// Closes so that the client gets what was written: bytes that are still coming would otherwise reset it.
    pub(crate) async fn close(&mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        let mut rest = [0; 4096];
        while self.stream.read(&mut rest).await? > 0 {}
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let mut seen = this.watch.seen();
        if let Some(refusal) = seen.held {
            seen.refusal = Some(refusal);
            // Whoever polls the library's connection looks for this afterwards.
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        let (sound, verdict) = seen.guard.feed(&buf.filled()[before..]);
        let Err(refusal) = verdict else { return read };
        buf.set_filled(before + sound);
        seen.held = Some(refusal);
        drop(seen);
        // What came before it is still to be served; it is refused when the library asks for more.
        if sound > 0 { read } else { self.poll_read(cx, buf) }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.watch.seen().answering = true;
        Pin::new(&mut this.stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // The refusal is still to be said.
        if this.watch.refusal().is_some() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.watch.seen().answering = true;
        Pin::new(&mut this.stream).poll_write_vectored(cx, parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn nothing_behind_a_refusal_is_read_and_answers_still_go_out() {
        let (mut client, server) = tokio::io::duplex(4096);
        let mut guarded = Guarded::new(server, HeadLimits::default());
        let watch = guarded.watch();
        client.write_all(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut buf = [0; 256];
        assert_eq!(guarded.read(&mut buf).await.unwrap(), 28);
        assert!(watch.take_head().is_some() && watch.refusal().is_none());

        client.write_all(b"GET /2 HTTP/1.1\r\nHost : a\r\n\r\n").await.unwrap();
        let read = tokio::time::timeout(Duration::from_millis(20), guarded.read(&mut buf)).await;
        assert!(read.is_err(), "{read:?} of a refused head were read");
        assert_eq!(watch.refusal(), Some(Refusal::Field));
        guarded.write_all(b"answer to /1").await.unwrap();
        assert_eq!(client.read(&mut buf).await.unwrap(), 12);
        assert!(watch.take_head().is_none());
    }
}
