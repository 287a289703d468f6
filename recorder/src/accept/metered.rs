//! A client's stream, and how much has passed through it: what time limits are measured by.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::joined::{LITTLE, are_little, joined};

/// The stream with a meter in it.
#[derive(Debug)]
pub(super) struct Metered<S> {
    stream: S,
    meter: Arc<Meter>,
}

/// What has passed. Written and read on one thread; a stream that is upgraded must only be able to change it.
#[derive(Debug, Default)]
pub(super) struct Meter {
    moved: AtomicU64,
    starved: AtomicBool,
    blocked: AtomicBool,
}

impl Meter {
    /// How many bytes have passed in both directions.
    pub(super) fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// Whether the client is waited for: there was nothing to read.
    pub(super) fn is_starved(&self) -> bool {
        self.starved.load(Ordering::Relaxed)
    }

    /// Whether the client does not take what is written.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    // One thread writes: no need for an addition that no other thread can interrupt.
    fn add(&self, bytes: usize) {
        self.moved.store(self.moved().wrapping_add(bytes as u64), Ordering::Relaxed);
    }

    fn wrote<T>(&self, result: &Poll<io::Result<T>>, bytes: impl FnOnce(&T) -> usize) {
        self.blocked.store(result.is_pending(), Ordering::Relaxed);
        if let Poll::Ready(Ok(written)) = result {
            self.add(bytes(written));
        }
    }
}

impl<S> Metered<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, meter: Arc::default() }
    }

    pub(super) fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.meter.starved.store(read.is_pending(), Ordering::Relaxed);
        self.meter.add(buf.filled().len() - before);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.meter.wrote(&written, |n| *n);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // A flush follows a write that was not taken, too: only one that waits itself says something.
        if flushed.is_pending() {
            self.meter.wrote(&flushed, |()| 0);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if are_little(parts) {
            return self.poll_write(cx, joined(parts, &mut [0; LITTLE]));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.meter.wrote(&written, |n| *n);
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn parts_come_whole_and_in_order_however_little_is_taken_at_once() {
        for (second, taken) in [(48, 1 << 20), (48, 7), (LITTLE - 10, 100), (LITTLE - 9, 100), (3 * LITTLE, 1000)] {
            let (near, mut far) = tokio::io::duplex(taken);
            let mut stream = Metered::new(near);
            let meter = stream.meter();
            let (head, body) = ([1; 10], vec![2; second]);
            let write = async {
                let mut parts: &mut [io::IoSlice<'_>] = &mut [io::IoSlice::new(&head), io::IoSlice::new(&body)];
                while !parts.is_empty() {
                    let written = stream.write_vectored(parts).await.unwrap();
                    io::IoSlice::advance_slices(&mut parts, written);
                }
                drop(stream);
            };
            let mut read = Vec::new();
            let ((), end) = tokio::join!(write, far.read_to_end(&mut read));
            end.unwrap();
            assert_eq!(read, [&head[..], &body].concat());
            assert_eq!(meter.moved(), read.len() as u64);
        }
    }
}
