//! The client's body on its way to the upstream.

use std::cell::Cell;
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
use crate::metrics::Meter;
use crate::pulse::Pulse;
use crate::tap::Tap;

/// Passes frames on untouched and as they come, and shows them to the tap.
#[derive(Debug)]
pub(crate) struct RequestBody {
    inner: Incoming,
    tap: Option<Tap>,
    gate: Option<Gate>,
    progress: Option<Progress>,
    pulse: Option<Rc<Pulse>>,
    meter: Option<Arc<Meter>>,
}

/// How far a body has come: what the wait for a response is measured against.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress(Rc<Cell<State>>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    frames: u64,
    done: bool,
}

impl Progress {
    pub(super) fn state(&self) -> State {
        self.0.get()
    }

    fn frame(&self) {
        let State { frames, done } = self.0.get();
        self.0.set(State { frames: frames + 1, done });
    }

    fn done(&self) {
        self.0.set(State { done: true, ..self.0.get() });
    }
}

impl State {
    /// Whether the upstream has had the whole request.
    pub(super) fn is_done(self) -> bool {
        self.done
    }
}

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The connection that it came from broke.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
    /// The origin answered without wanting it.
    #[error("the origin answered without asking for the body")]
    NotWanted,
}

impl RequestBody {
    pub(crate) fn new(inner: Incoming) -> Self {
        Self { inner, tap: None, gate: None, progress: None, pulse: None, meter: None }
    }

    /// A body that says when it moves and when it does not.
    pub(crate) fn watched(inner: Incoming, pulse: &Rc<Pulse>) -> Self {
        let mut body = Self::new(inner);
        if !body.inner.is_end_stream() {
            pulse.request_moves();
            body.pulse = Some(Rc::clone(pulse));
        }
        body
    }

    /// Counts the bytes that come.
    pub(crate) fn metered(&mut self, meter: &Arc<Meter>) {
        self.meter = (!self.inner.is_end_stream()).then(|| Arc::clone(meter));
    }

    /// Shows the body to the tap.
    pub(crate) fn tapped(&mut self, tap: Option<&Tap>) {
        if self.inner.is_end_stream() {
            tap.inspect(|tap| tap.request_end());
        } else {
            self.tap = tap.cloned();
        }
    }

    /// Holds the body back until `gate` opens.
    pub(super) fn behind(&mut self, gate: Gate) {
        self.gate = Some(gate);
    }

    /// Lets others see how far it has come.
    pub(super) fn progress(&mut self) -> Progress {
        self.progress.get_or_insert_default().clone()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Some(gate) = &this.gate {
            if !ready!(gate.poll(cx)) {
                return Poll::Ready(Some(Err(BodyError::NotWanted)));
            }
            this.gate = None;
        }
        loop {
            let polled = Pin::new(&mut this.inner).poll_frame(cx);
            if let Some(pulse) = &this.pulse {
                if polled.is_pending() { pulse.request_awaited() } else { pulse.request_moves() }
            }
            let frame = match ready!(polled) {
                None => {
                    if let Some(tap) = &this.tap {
                        tap.request_end();
                    }
                    return Poll::Ready(None);
                }
                Some(Err(error)) => {
                    if let Some(tap) = &this.tap {
                        tap.end(Ending::ClientAborted);
                    }
                    return Poll::Ready(Some(Err(error.into())));
                }
                Some(Ok(frame)) => frame,
            };
            if let Some(progress) = &this.progress {
                progress.frame();
            }
            match frame.into_data() {
                Ok(data) => {
                    if let Some(meter) = &this.meter {
                        meter.received(data.len());
                    }
                    if let Some(tap) = &this.tap {
                        tap.request_data(&data);
                        // Whoever knows the length does not ask for more.
                        if this.inner.is_end_stream() {
                            tap.request_end();
                        }
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Err(frame) => {
                    let Ok(mut trailers) = frame.into_trailers() else { continue };
                    if let Some(tap) = &this.tap {
                        tap.request_trailers(&trailers);
                        tap.request_end();
                    }
                    if clean_trailers(&mut trailers) {
                        return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for RequestBody {
    /// Whoever sends a body drops it when all of it has gone out, or when no more will.
    fn drop(&mut self) {
        if let Some(progress) = &self.progress {
            progress.done();
        }
        if let Some(pulse) = &self.pulse {
            pulse.request_ends();
        }
    }
}
