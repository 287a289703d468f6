//! The upstream's body on its way to the client.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use umbra_common::exchange::Ending;

use super::expect::Gate;
use super::hop::clean_trailers;
use super::lease::Lease;
use crate::metrics::Meter;
use crate::pulse::Pulse;
use crate::tap::Tap;

/// Passes frames on untouched and as they come, shows them to the tap, and gives the connection back at the end.
///
/// Dropped before its end, it drops the upstream's side too: a client that leaves ends the request at the origin.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    from: Source,
    tap: Option<Tap>,
    under_way: Option<Rc<UnderWay>>,
    pulse: Option<Rc<Pulse>>,
}

#[derive(Debug)]
enum Source {
    Upstream { inner: Incoming, lease: Option<Lease>, gate: Option<Gate>, ended: bool },
    Here(Option<Bytes>),
}

/// What each answer of a connection holds while it is under way.
#[derive(Debug)]
pub(crate) struct UnderWay {
    /// Counts its bytes.
    pub(crate) meter: Arc<Meter>,
}

impl ResponseBody {
    /// What the upstream sends.
    pub(super) fn upstream(inner: Incoming, lease: Lease, gate: Option<Gate>, tap: Option<Tap>) -> Self {
        let lease = Some(lease);
        Self { from: Source::Upstream { inner, lease, gate, ended: false }, tap, under_way: None, pulse: None }
    }

    /// An answer of the recorder's own.
    pub(crate) fn here(text: impl Into<Bytes>) -> Self {
        let text = text.into();
        Self { from: Source::Here((!text.is_empty()).then_some(text)), tap: None, under_way: None, pulse: None }
    }

    /// Tells the connection for how long the answer is under way, and counts the bytes that go.
    pub(crate) fn hold(&mut self, under_way: Rc<UnderWay>) {
        self.under_way = Some(under_way);
    }

    /// Says when it moves and when it does not, from now on.
    pub(crate) fn watch(&mut self, pulse: Rc<Pulse>) {
        pulse.response_moves();
        self.pulse = Some(pulse);
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let (inner, lease, ended) = match &mut this.from {
            Source::Here(text) => {
                let text = text.take();
                if let (Some(under_way), Some(text)) = (&this.under_way, &text) {
                    under_way.meter.sent(text.len());
                }
                return Poll::Ready(text.map(|t| Ok(Frame::data(t))));
            }
            Source::Upstream { inner, lease, ended, .. } => (inner, lease, ended),
        };
        loop {
            let polled = match lease {
                Some(lease) => lease.poll_frame(inner, cx),
                None => Pin::new(&mut *inner).poll_frame(cx),
            };
            if let Some(pulse) = &this.pulse {
                if polled.is_pending() { pulse.response_awaited() } else { pulse.response_moves() }
            }
            let frame = match ready!(polled) {
                None => {
                    *ended = true;
                    return Poll::Ready(None);
                }
                Some(Err(error)) => {
                    if let Some(tap) = &this.tap {
                        tap.end(Ending::UpstreamError);
                    }
                    return Poll::Ready(Some(Err(error)));
                }
                Some(Ok(frame)) => frame,
            };
            match frame.into_data() {
                Ok(data) => {
                    if let Some(under_way) = &this.under_way {
                        under_way.meter.sent(data.len());
                    }
                    if let Some(tap) = &this.tap {
                        tap.response_data(&data);
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Err(frame) => {
                    let Ok(mut trailers) = frame.into_trailers() else { continue };
                    // Nothing follows a trailer section.
                    *ended = true;
                    if let Some(tap) = &this.tap {
                        tap.response_trailers(&trailers);
                    }
                    if clean_trailers(&mut trailers) {
                        return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.from {
            Source::Here(text) => text.is_none(),
            Source::Upstream { inner, .. } => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.from {
            Source::Here(text) => SizeHint::with_exact(text.as_ref().map_or(0, |t| t.len() as u64)),
            Source::Upstream { inner, .. } => inner.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        let Source::Upstream { inner, lease, gate, ended } = &mut self.from else { return };
        if *ended || inner.is_end_stream() {
            if let Some(tap) = &self.tap {
                tap.end(Ending::Complete);
            }
            if let Some(lease) = lease.take() {
                lease.give_back();
            }
        } else if let Some(tap) = &self.tap {
            tap.end(Ending::ClientAborted);
        }
        if let Some(gate) = gate {
            gate.refuse();
        }
    }
}
