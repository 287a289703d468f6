//! What an HTTP/2 target says about its connection: how many streams it allows, and that it leaves.
//!
//! hyper follows both and tells neither in time: a request over the limit waits inside of it, where no other connection
//! can take it. So the frames that come are looked at on their way in, by their heads alone (RFC 9113, 4.1).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// What is known of the other side.
#[derive(Debug)]
pub(super) struct PeerSays {
    stream_limit: AtomicUsize,
    leaving: AtomicBool,
    settled: AtomicBool,
    settings: Notify,
}

impl Default for PeerSays {
    fn default() -> Self {
        Self {
            // Without a limit there is none (RFC 9113, 6.5.2).
            stream_limit: AtomicUsize::new(usize::MAX),
            leaving: AtomicBool::new(false),
            settled: AtomicBool::new(false),
            settings: Notify::new(),
        }
    }
}

impl PeerSays {
    /// The most streams at a time.
    pub(super) fn stream_limit(&self) -> usize {
        self.stream_limit.load(Ordering::Relaxed)
    }

    /// Whether it takes no new streams.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Waits for its first settings.
    pub(super) async fn settings_came(&self) {
        while !self.settled.load(Ordering::Relaxed) {
            self.settings.notified().await;
        }
    }
}

const HEAD: usize = 9;
const SETTING: usize = 6;
const SETTINGS: u8 = 0x4;
const GOAWAY: u8 = 0x7;
const ACK: u8 = 0x1;
const MAX_CONCURRENT_STREAMS: u16 = 0x3;

/// Follows frames through bytes that come in whatever pieces.
#[derive(Debug)]
struct Frames {
    says: Arc<PeerSays>,
    part: Part,
    /// What has come of a frame's head, or of a setting.
    gathered: [u8; HEAD],
    length: usize,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    Head,
    /// So many bytes of settings are left.
    Settings(usize),
    /// So many bytes of something else are left.
    Payload(usize),
}

impl Frames {
    fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = match self.part {
                Part::Payload(left) => {
                    let taken = left.min(bytes.len());
                    self.part = if taken == left { Part::Head } else { Part::Payload(left - taken) };
                    taken
                }
                Part::Head => {
                    let taken = self.gather(bytes, HEAD);
                    if self.length == HEAD {
                        self.length = 0;
                        self.head();
                    }
                    taken
                }
                Part::Settings(left) => {
                    let taken = self.gather(bytes, SETTING);
                    if self.length == SETTING {
                        self.length = 0;
                        self.setting();
                    }
                    self.part = Part::Settings(left - taken);
                    if left == taken {
                        self.settled();
                    }
                    taken
                }
            };
            bytes = &bytes[taken..];
        }
    }

    /// Takes up to what is missing of `whole`; says how much that was.
    fn gather(&mut self, bytes: &[u8], whole: usize) -> usize {
        let taken = (whole - self.length).min(bytes.len());
        self.gathered[self.length..self.length + taken].copy_from_slice(&bytes[..taken]);
        self.length += taken;
        taken
    }

    fn head(&mut self) {
        let [a, b, c, kind, flags, ..] = self.gathered;
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        // A length that is no multiple is the connection's end, which hyper sees to.
        self.part = match kind {
            SETTINGS if flags & ACK == 0 && length % SETTING == 0 => Part::Settings(length),
            _ => Part::Payload(length),
        };
        match self.part {
            Part::Settings(0) => self.settled(),
            Part::Payload(0) => self.part = Part::Head,
            _ => {}
        }
        if kind == GOAWAY {
            self.says.leaving.store(true, Ordering::Relaxed);
        }
    }

    fn setting(&self) {
        let [id, id_low, value @ .., _, _, _] = self.gathered;
        if u16::from_be_bytes([id, id_low]) == MAX_CONCURRENT_STREAMS {
            let limit = usize::try_from(u32::from_be_bytes(value)).unwrap_or(usize::MAX);
            self.says.stream_limit.store(limit, Ordering::Relaxed);
        }
    }

    fn settled(&mut self) {
        self.part = Part::Head;
        self.says.settled.store(true, Ordering::Relaxed);
        self.says.settings.notify_one();
    }
}

/// A connection whose incoming frames are followed.
#[derive(Debug)]
pub(super) struct Watched<S> {
    inner: S,
    frames: Frames,
}

impl<S> Watched<S> {
    pub(super) fn new(inner: S, says: Arc<PeerSays>) -> Self {
        Self { inner, frames: Frames { says, part: Part::Head, gathered: [0; HEAD], length: 0 } }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let done = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.frames.follow(&buf.filled()[before..]);
        done
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is known after these bytes, in pieces of `size`.
    fn after(bytes: &[u8], size: usize) -> (usize, bool, bool) {
        let says = Arc::new(PeerSays::default());
        let mut frames = Watched::new((), Arc::clone(&says)).frames;
        bytes.chunks(size).for_each(|piece| frames.follow(piece));
        (says.stream_limit(), says.is_leaving(), says.settled.load(Ordering::Relaxed))
    }

    #[test]
    fn limits_and_leaving_are_seen_in_whatever_pieces_they_come() {
        let initial_window = [0, 4, 0, 1, 0, 0];
        let limit = |n: u8| [0, 3, 0, 0, 0, n];
        let settings: Vec<u8> = [&[0, 0, 12, 4, 0, 0, 0, 0, 0][..], &initial_window, &limit(7)].concat();
        let empty: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let ack: [u8; 9] = [0, 0, 0, 4, 1, 0, 0, 0, 0];
        // A payload that looks like another frame.
        let data: Vec<u8> = [&[0, 0, 9, 0, 0, 0, 0, 0, 1][..], &[0, 0, 8, 7, 0, 0, 0, 0, 0]].concat();
        let goaway: Vec<u8> = [&[0, 0, 8, 7, 0, 0, 0, 0, 0][..], &[0; 8]].concat();
        let later: Vec<u8> = [&[0, 0, 6, 4, 0, 0, 0, 0, 0][..], &limit(9)].concat();
        for size in 1..64 {
            assert_eq!(after(&ack, size), (usize::MAX, false, false));
            assert_eq!(after(&empty, size), (usize::MAX, false, true));
            assert_eq!(after(&settings, size), (7, false, true));
            assert_eq!(after(&[&settings[..], &ack, &data, &later].concat(), size), (9, false, true));
            assert_eq!(after(&[&settings[..], &data, &goaway].concat(), size), (7, true, true));
            // The bytes of something else do no harm.
            after(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n", size);
        }
    }
}
