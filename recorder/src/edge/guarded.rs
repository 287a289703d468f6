//! A client's connection with the wire guard in it: the HTTP library reads only bytes that have passed.

use std::cell::{Cell, RefCell, RefMut};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::Refusal;
use super::arrived::Arrived;
use super::interim::Interim;
use super::lettered::Lettered;
use super::wire::{Guard, HeadLimits};

/// The stream that the HTTP library is given.
///
/// After a refusal nothing more is read from it, and it stays open for writing: answers that are under way go out whole.
/// Whoever holds the [`Watch`] then ends the library's part and answers with the refusal.
#[derive(Debug)]
pub(crate) struct Guarded<S> {
    stream: S,
    lettered: Lettered,
    watch: Watch,
}

/// The connection's own view of what its guard has seen. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Watch(Rc<Watched>);

#[derive(Debug)]
struct Watched {
    seen: RefCell<Seen>,
    interim: Arc<Interim>,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// Nothing more is read.
    pub(crate) is_refused: bool,
    /// A request has passed that the library has not given yet.
    pub(crate) has_head: bool,
    /// A head has begun and not ended.
    pub(crate) is_in_head: bool,
    /// A body has begun and not ended.
    pub(crate) is_in_body: bool,
    /// An answer to the request that was taken last has begun.
    pub(crate) is_answering: bool,
}

#[derive(Debug)]
struct Seen {
    guard: Guard,
    /// Why what follows is refused, once the library has had all that came before.
    refusal: Option<Refusal>,
    held: Option<Refusal>,
    /// What came behind a request for another protocol, before it is known whose it is.
    early: Vec<u8>,
    /// Who waits for that.
    undecided: Option<Waker>,
    /// Something was written since the last head was taken.
    answering: bool,
    /// The head of the response that the library writes next, as the origin wrote it.
    answer: Option<Vec<u8>>,
}

impl<S> Guarded<S> {
    /// Puts a guard into a stream.
    pub(crate) fn new(stream: S, limits: HeadLimits) -> Self {
        let seen = RefCell::new(Seen {
            guard: Guard::new(limits),
            refusal: None,
            held: None,
            early: Vec::new(),
            undecided: None,
            answering: false,
            answer: None,
        });
        let watch = Watch(Rc::new(Watched { seen, interim: Arc::default() }));
        Self { stream, lettered: Lettered::default(), watch }
    }

    /// The view of the guard.
    pub(crate) fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// The stream behind an upgrade, where `ahead` is what the library has read of it and not used.
    pub(crate) fn into_tunnel(self, ahead: &[u8]) -> Self {
        let mut seen = self.watch.seen();
        seen.early.splice(..0, ahead.iter().copied());
        drop(seen);
        self
    }
}

impl Watch {
    fn seen(&self) -> RefMut<'_, Seen> {
        self.0.seen.borrow_mut()
    }

    /// What the guard knows of the request that the library gives next.
    pub(crate) fn take(&self) -> Arrived {
        let mut seen = self.seen();
        seen.answering = false;
        seen.answer = None;
        let head = seen.guard.take_head().unwrap_or_default();
        let undecided = Cell::new(seen.guard.is_undecided() && !seen.guard.has_head());
        drop(seen);
        Arrived { head, undecided, turn: self.0.interim.begin(), watch: self.clone() }
    }

    /// What follows the request for another protocol is the next request.
    pub(super) fn go_on(&self) {
        self.decide(|seen| seen.guard.go_on());
    }

    /// What follows the request for another protocol is that.
    pub(super) fn step_aside(&self) {
        self.decide(|seen| seen.guard.step_aside());
    }

    /// The request for another protocol was not granted. What has come behind it was meant for the other protocol, or
    /// pretends to be: it is no request (RFC 9110, 7.8; the ways to smuggle one).
    pub(super) fn stay(&self) {
        self.decide(|seen| {
            if seen.early.is_empty() {
                seen.guard.go_on();
            } else {
                seen.guard.refuse(Refusal::EarlyUpgrade);
                seen.held = Some(Refusal::EarlyUpgrade);
            }
        });
    }

    fn decide(&self, decide: impl FnOnce(&mut Seen)) {
        let mut seen = self.seen();
        decide(&mut seen);
        let undecided = seen.undecided.take();
        drop(seen);
        if let Some(undecided) = undecided {
            undecided.wake();
        }
    }

    /// Where the interim responses of the connection go.
    pub(super) fn interim(&self) -> &Arc<Interim> {
        &self.0.interim
    }

    /// The response that the library is given next has the letters of this head.
    pub(super) fn answer_like(&self, head: Vec<u8>) {
        self.seen().answer = Some(head);
    }

    /// Whether what the library writes next has letters of its own.
    pub(super) fn has_letters(&self) -> bool {
        self.seen().answer.is_some()
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

    /// What a connection's pace depends on, all at once: this is asked whenever anything happens to it.
    pub(crate) fn standing(&self) -> Standing {
        let seen = self.seen();
        Standing {
            is_refused: seen.refusal.is_some(),
            has_head: seen.guard.has_head(),
            is_in_head: seen.guard.is_in_head(),
            is_in_body: seen.guard.is_in_body(),
            is_answering: seen.answering && !seen.guard.was_at_head(),
        }
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
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let stashed = !seen.early.is_empty();
        if !stashed {
            match Pin::new(&mut this.stream).poll_read(cx, buf) {
                Poll::Ready(Ok(())) if buf.filled().len() > before => {}
                ended_or_pending => return ended_or_pending,
            }
        } else if seen.guard.is_undecided() {
            seen.undecided = Some(cx.waker().clone());
            return Poll::Pending;
        } else {
            let some = seen.early.len().min(buf.remaining());
            buf.put_slice(&seen.early[..some]);
        }
        let (sound, verdict) = seen.guard.feed(&mut buf.filled_mut()[before..]);
        let read = buf.filled().len() - before;
        if stashed {
            seen.early.drain(..sound);
        } else if sound < read && verdict.is_ok() {
            seen.early.extend_from_slice(&buf.filled()[before + sound..]);
        }
        buf.set_filled(before + sound);
        if let Err(refusal) = verdict {
            seen.held = Some(refusal);
        }
        drop(seen);
        // What came before a refusal is still to be served; it is refused when the library asks for more. What comes
        // before a decision is held until then.
        if sound > 0 { Poll::Ready(Ok(())) } else { self.poll_read(cx, buf) }
    }
}

impl<S: AsyncWrite + Unpin> Guarded<S> {
    /// Writes the interim responses that wait.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let interim = self.watch.interim();
        let mut waiting = interim.waiting();
        loop {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &waiting))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            if !interim.written(&mut waiting, written) {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// To be asked before each write of the library's.
    fn poll_before_write(&mut self, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<()>> {
        while self.watch.interim().writes() {
            ready!(self.poll_interim(cx))?;
        }
        let mut seen = self.watch.seen();
        seen.answering = true;
        if let Some(came) = seen.answer.take() {
            self.lettered.begin(parts, &came);
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what is to go out instead of the first bytes of these parts, and what fits behind it.
    fn poll_lettered(&mut self, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        let written = match self.lettered.instead_of(parts) {
            ([whole, ..], 1) => ready!(stream.poll_write(cx, &whole)),
            (instead, count) => ready!(stream.poll_write_vectored(cx, &instead[..count])),
        }?;
        self.lettered.wrote(written);
        Poll::Ready(Ok(written))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let parts = [io::IoSlice::new(bytes)];
        ready!(this.poll_before_write(cx, &parts))?;
        if !this.lettered.left().is_empty() {
            return this.poll_lettered(cx, &parts);
        }
        Pin::new(&mut this.stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.watch.interim().written_by(cx.waker());
        if this.watch.interim().flushes() {
            ready!(this.poll_interim(cx))?;
        }
        if this.watch.interim().was_awaited() {
            cx.waker().wake_by_ref();
        }
        Pin::new(&mut this.stream).poll_flush(cx)
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
        ready!(this.poll_before_write(cx, parts))?;
        if !this.lettered.left().is_empty() {
            return this.poll_lettered(cx, parts);
        }
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
        assert!(!watch.take().head.bytes.is_empty() && watch.refusal().is_none());

        client.write_all(b"GET /2 HTTP/1.1\r\nHost : a\r\n\r\n").await.unwrap();
        let read = tokio::time::timeout(Duration::from_millis(20), guarded.read(&mut buf)).await;
        assert!(read.is_err(), "{read:?} of a refused head were read");
        assert_eq!(watch.refusal(), Some(Refusal::Field));
        guarded.write_all(b"answer to /1").await.unwrap();
        assert_eq!(client.read(&mut buf).await.unwrap(), 12);
        assert!(!watch.has_head());
    }
}
