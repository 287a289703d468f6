//! The head of an HTTP/1 request, written to the origin as it came.
//!
//! The library writes the names of fields in small letters, groups the fields of one name, and takes no target with odd bytes
//! (the wire guard hides them from it). So the head that it writes is set anew on its way into the stream: its names in the
//! letters in which they came, and, where a name is repeated or the target is odd, its lines in their order behind the target as
//! received. Else lines stay where the library has them: a field for one connection that is taken out has the last one in its
//! place. Framing stays what the library decided.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http::uri::PathAndQuery;
use memchr::memmem::find;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::overheard::Overheard;
use crate::edge::{Head, HeadView, is_plain, set_names};

const END: &[u8] = b"\r\n\r\n";
const EMPTY_LINE: &[u8] = b"\r\n";

/// So much is copied rather than written by a call of its own.
const LITTLE: usize = 4 << 10;

/// A connection to the origin.
#[derive(Debug)]
pub(super) struct Faithful<S> {
    stream: S,
    next: Next,
    overheard: Overheard,
    /// A head that is being written (with what the library wrote in one piece with it), how much of it has been, and how much
    /// of the library's it stands for.
    head: Vec<u8>,
    written: usize,
    instead_of: usize,
}

/// How the next request's head came to the recorder. Clones share it; everything is on one thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Next(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    any: AtomicBool,
    /// The library has bytes to write.
    busy: AtomicBool,
    head: Mutex<Option<Came>>,
}

impl Next {
    /// Has the next request go out as it came. Only where nothing [is left](Self::is_idle) of the one before.
    pub(super) fn set(&self, head: Came) {
        *self.0.head.lock().unwrap_or_else(PoisonError::into_inner) = Some(head);
        self.0.any.store(true, Ordering::Relaxed);
    }

    /// Whether everything the library had to write has been written.
    pub(super) fn is_idle(&self) -> bool {
        !self.0.busy.load(Ordering::Relaxed)
    }

    /// The head that has not gone out.
    pub(super) fn take(&self) -> Option<Came> {
        if !self.0.any.load(Ordering::Relaxed) {
            return None;
        }
        self.0.any.store(false, Ordering::Relaxed);
        self.0.head.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A head that is to go out as it came.
#[derive(Clone, Debug)]
pub(super) struct Came {
    head: Head,
    /// More than the letters of names would differ.
    is_regrouped: bool,
    /// No body follows.
    is_alone: bool,
    /// Lines that go out behind the others.
    added: Bytes,
}

impl Came {
    /// Of a request whose fields the library knows as these. `is_alone`: it has no body.
    pub(super) fn new(head: &Head, fields: &HeaderMap, is_alone: bool) -> Self {
        let is_regrouped = head.is_odd || fields.len() > fields.keys_len();
        Self { head: head.clone(), is_regrouped, is_alone, added: Bytes::new() }
    }

    /// Whether lines can be [added](Self::add).
    pub(super) fn takes_lines(&self) -> bool {
        !self.is_regrouped
    }

    /// Adds whole lines behind those of the library's head. Only where it [takes](Self::takes_lines) them.
    pub(super) fn add(&mut self, lines: Bytes) {
        self.added = lines;
    }

    /// The head, where its target is odd.
    pub(super) fn odd(&self) -> Option<&Head> {
        Some(&self.head).filter(|head| head.is_odd)
    }

    /// Appends it, with the lines of the library's head, which `written` begins with and which is so long.
    fn write(&self, head: &mut Vec<u8>, written: &[u8]) -> Option<usize> {
        let end = if self.is_alone && written.ends_with(END) { written.len() } else { find(written, END)? + END.len() };
        if !self.is_regrouped {
            head.extend_from_slice(&written[..end]);
            set_names(head, &self.head.bytes);
            if !self.added.is_empty() {
                head.truncate(end - EMPTY_LINE.len());
                head.extend_from_slice(&self.added);
                head.extend_from_slice(EMPTY_LINE);
            }
            return Some(end);
        }
        as_it_came(head, &written[..end], &self.head)?;
        Some(end)
    }
}

/// An odd target as HTTP/2 can say it: with its odd bytes percent-encoded (RFC 3986, 2.1).
pub(super) fn encoded(came: &Head) -> Option<PathAndQuery> {
    let view = HeadView::of(&came.bytes)?;
    let mut path = Vec::with_capacity(view.target.len() + 16);
    for byte in origin_form(view.target) {
        match byte {
            byte if is_plain(byte) => path.push(byte),
            odd => path.extend_from_slice(format!("%{odd:02X}").as_bytes()),
        }
    }
    PathAndQuery::from_maybe_shared(Bytes::from(path)).ok()
}

/// The path and the query of a target, which is in origin-form or in absolute-form.
fn origin_form(target: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let scheme = target.windows(3).position(|w| w == b"://").filter(|_| !target.starts_with(b"/"));
    let path = scheme.map_or(target, |at| {
        let rest = &target[at + 3..];
        &rest[rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len())..]
    });
    let slash = (!matches!(path.first(), Some(b'/' | b'*'))).then_some(b'/');
    slash.into_iter().chain(path.iter().copied())
}

/// Appends the lines of `written`, the library's head, in the order and with the target of the one that came.
fn as_it_came(head: &mut Vec<u8>, written: &[u8], came: &Head) -> Option<()> {
    let (own, came_view) = (HeadView::of(written)?, HeadView::of(&came.bytes)?);
    head.extend_from_slice(own.method);
    head.push(b' ');
    if came.is_odd {
        head.extend(origin_form(came_view.target));
    } else {
        head.extend_from_slice(own.target);
    }
    head.extend_from_slice(b" HTTP/1.1\r\n");
    let mut fields: Vec<_> = own.fields().map(Some).collect();
    let mut line = |(name, value): (&[u8], &[u8])| {
        for part in [name, b": ", value, b"\r\n"] {
            head.extend_from_slice(part);
        }
    };
    for (name, _) in came_view.fields() {
        let same = fields.iter_mut().find(|f| f.is_some_and(|(n, _)| n.eq_ignore_ascii_case(name)));
        if let Some((_, value)) = same.and_then(Option::take) {
            line((name, value));
        }
    }
    fields.into_iter().flatten().for_each(line);
    head.extend_from_slice(b"\r\n");
    Some(())
}

impl<S> Faithful<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            next: Next::default(),
            overheard: Overheard::default(),
            head: Vec::new(),
            written: 0,
            instead_of: 0,
        }
    }

    /// Where the next request's head is told.
    pub(super) fn next(&self) -> Next {
        self.next.clone()
    }

    /// Where a response's head is heard.
    pub(super) fn overheard(&self) -> Overheard {
        self.overheard.clone()
    }

    /// Puts another head in the place of the one that `parts` begin with, where that is wanted.
    fn replace(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<()> {
        self.next.0.busy.store(true, Ordering::Relaxed);
        let Some(came) = self.next.take() else { return Ok(()) };
        let mut rest = parts.iter().skip_while(|part| part.is_empty());
        let bytes = rest.next().map_or(&[][..], |part| part);
        self.head.clear();
        // The library writes a head in one piece.
        let Some(end) = came.write(&mut self.head, bytes) else {
            return Err(io::Error::other("the head of a request was not written whole"));
        };
        (self.written, self.instead_of) = (0, end);
        // A little more goes out with it, instead of in a call of its own.
        for part in std::iter::once(&bytes[self.instead_of..]).chain(rest.map(|part| &**part)) {
            let room = LITTLE.saturating_sub(self.head.len()).min(part.len());
            self.head.extend_from_slice(&part[..room]);
            self.instead_of += room;
            if room < part.len() {
                break;
            }
        }
        Ok(())
    }
}

impl<S: AsyncWrite + Unpin> Faithful<S> {
    /// Writes the head that stands for another; says for how many bytes, once it is written.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        while self.written < self.head.len() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.head[self.written..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        if self.head.capacity() > LITTLE {
            self.head = Vec::new();
        }
        Poll::Ready(Ok(std::mem::take(&mut self.instead_of)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Faithful<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.overheard.hear(&buf.filled()[before..]);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Faithful<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.replace(&[io::IoSlice::new(bytes)])?;
        if this.instead_of > 0 { this.poll_head(cx) } else { Pin::new(&mut this.stream).poll_write(cx, bytes) }
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
        this.replace(parts)?;
        if this.instead_of > 0 { this.poll_head(cx) } else { Pin::new(&mut this.stream).poll_write_vectored(cx, parts) }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // The library flushes when it has nothing left to write.
        this.next.0.busy.store(false, Ordering::Relaxed);
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn came(head: &'static [u8], is_odd: bool) -> Head {
        Head { bytes: head.into(), is_odd }
    }

    #[test]
    fn fields_are_in_the_order_in_which_they_came_and_new_ones_behind() {
        let came = came(
            b"GET /a HTTP/1.1\r\nA: 1\r\nHost: h\r\nConnection: x\r\nB: 2\r\na: 3\r\nX-Forwarded-For: 1\r\n\r\n",
            false,
        );
        let written =
            b"GET /a HTTP/1.1\r\nA: 1\r\na: 3\r\nHost: h\r\nX-Forwarded-For: 1, 2\r\nB: 2\r\nvia: 1.1 umbra\r\n\r\n";
        let expected =
            b"GET /a HTTP/1.1\r\nA: 1\r\nHost: h\r\nB: 2\r\na: 3\r\nX-Forwarded-For: 1, 2\r\nvia: 1.1 umbra\r\n\r\n";
        let mut head = Vec::new();
        as_it_came(&mut head, written, &came).unwrap();
        assert_eq!(head.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }

    #[test]
    fn lines_are_added_to_the_head_and_not_to_what_follows_it() {
        let came = came(b"PUT / HTTP/1.1\r\nHOST: h\r\n\r\n", false);
        let own = b"PUT / HTTP/1.1\r\nhost: h\r\n\r\n";
        for body in [&b""[..], b"1\r\nx\r\n0\r\n\r\n"] {
            for is_alone in [body.is_empty(), false] {
                let mut came = Came::new(&came, &HeaderMap::new(), is_alone);
                came.add(Bytes::from_static(b"via: 1\r\nb: 2\r\n"));
                let mut head = Vec::new();
                assert_eq!(came.write(&mut head, &[own, body].concat()), Some(own.len()));
                assert_eq!(head, b"PUT / HTTP/1.1\r\nHOST: h\r\nvia: 1\r\nb: 2\r\n\r\n");
            }
        }
    }

    #[test]
    fn odd_targets_are_restored_and_for_http2_encoded() {
        for (target, path, two) in [
            (&b"/a?b=<\"\xe9>"[..], &b"/a?b=<\"\xe9>"[..], "/a?b=%3C%22%E9%3E"),
            (b"http://h:80/a`b?c", b"/a`b?c", "/a%60b?c"),
            (b"http://h?<", b"/?<", "/?%3C"),
            (b"/x?u=http://h/<", b"/x?u=http://h/<", "/x?u=http://h/%3C"),
        ] {
            let head = [b"GET ", target, b" HTTP/1.1\r\nHost: h\r\n\r\n"].concat();
            let came = Head { bytes: head.into(), is_odd: true };
            let mut set = Vec::new();
            as_it_came(&mut set, b"GET /____ HTTP/1.1\r\nhost: h\r\n\r\n", &came).unwrap();
            assert_eq!(set, [b"GET ", path, b" HTTP/1.1\r\nHost: h\r\n\r\n"].concat());
            assert_eq!(encoded(&came).unwrap().as_str(), two);
        }
    }

    #[tokio::test]
    async fn a_head_goes_out_whole_however_little_is_taken_at_once() {
        let (near, mut far) = tokio::io::duplex(3);
        let mut faithful = Faithful::new(near);
        let next = faithful.next();
        let came = came(b"PUT /<> HTTP/1.1\r\nHost: h\r\n\r\n", true);
        next.set(Came { head: came, is_regrouped: true, is_alone: false, added: Bytes::new() });
        let write = async {
            faithful.write_all(b"PUT /__ HTTP/1.1\r\nHost: h\r\n\r\nbody").await.unwrap();
            assert!(!next.is_idle());
            faithful.flush().await.unwrap();
            assert!(next.is_idle());
            faithful.write_all(b"PUT /__ HTTP/1.1\r\n\r\n").await.unwrap();
            drop(faithful);
        };
        let mut read = Vec::new();
        let ((), end) = tokio::join!(write, far.read_to_end(&mut read));
        end.unwrap();
        let expected = b"PUT /<> HTTP/1.1\r\nHost: h\r\n\r\nbodyPUT /__ HTTP/1.1\r\n\r\n";
        assert_eq!(read.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }
}
