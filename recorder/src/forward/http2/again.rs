//! What the upstream has not looked at is sent to it again.
//!
//! It says so of streams beyond the last one that a goodbye names, and of those that it refuses: nobody has acted on them, so what is
//! sent again happens once, whatever the method. nginx says goodbye after each thousand requests of a connection, while others are
//! on their way to it.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body::{Body, Frame, SizeHint};

use crate::forward::RequestBody;
use crate::forward::request_body::BodyError;

/// So much of a body is kept until the response begins: a call of gRPC usually has less. What has more is not sent again.
const KEPT: usize = 16 << 10;

/// The body of one attempt.
#[derive(Debug)]
pub(in crate::forward) struct Outgoing {
    /// What an earlier attempt has sent.
    sent: Sent,
    /// Where the rest of it comes from; absent where there is no body.
    rest: Option<Rest>,
}

/// The beginning of a body.
#[derive(Clone, Debug, Default)]
struct Sent {
    data: Vec<u8>,
    trailers: Option<HeaderMap>,
}

/// One attempt's share in the client's body.
#[derive(Debug)]
struct Rest {
    of: Rc<RefCell<Shared>>,
    attempt: u32,
}

/// The client's body, for one attempt after the other.
#[derive(Debug)]
struct Shared {
    /// Gone at its end: whoever waits for that is told by it.
    body: Option<RequestBody>,
    /// What has been sent of it, unless that is too much, or no longer of use.
    sent: Option<Sent>,
    /// The last attempt. One before it takes nothing more.
    attempt: u32,
}

/// What it takes to send a request again.
#[derive(Debug)]
pub(super) struct Spare {
    head: Request<()>,
    body: Option<Rc<RefCell<Shared>>>,
}

impl Outgoing {
    /// The first attempt's.
    pub(super) fn new(body: RequestBody) -> Self {
        let shared = |body| Shared { body: Some(body), sent: Some(Sent::default()), attempt: 0 };
        let rest = (!body.is_end_stream()).then(|| Rest { of: Rc::new(RefCell::new(shared(body))), attempt: 0 });
        Self { sent: Sent::default(), rest }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if !this.sent.data.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.sent.data).into()))));
        }
        if let Some(trailers) = this.sent.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        match &this.rest {
            Some(Rest { of, attempt }) => of.borrow_mut().poll_frame(*attempt, cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.sent.data.is_empty()
            && self.sent.trailers.is_none()
            && self.rest.as_ref().is_none_or(|rest| rest.of.borrow().body.as_ref().is_none_or(Body::is_end_stream))
    }

    fn size_hint(&self) -> SizeHint {
        let (shared, sent) = (self.rest.as_ref().map(|rest| rest.of.borrow()), self.sent.data.len() as u64);
        let rest =
            shared.as_ref().and_then(|shared| shared.body.as_ref()).map_or(SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(sent + rest.lower());
        rest.upper().inspect(|upper| hint.set_upper(sent + upper));
        hint
    }
}

impl Shared {
    fn poll_frame(&mut self, attempt: u32, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(body) = self.body.as_mut().filter(|_| attempt == self.attempt) else { return Poll::Ready(None) };
        let polled = ready!(Pin::new(&mut *body).poll_frame(cx));
        let is_last = !matches!(polled, Some(Ok(_))) || body.is_end_stream();
        match &polled {
            Some(Ok(frame)) => self.keep(frame),
            Some(Err(_)) => self.sent = None,
            None => {}
        }
        if is_last {
            self.body = None;
        }
        Poll::Ready(polled)
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        let Some(sent) = &mut self.sent else { return };
        match frame.data_ref() {
            Some(data) if sent.data.len() + data.len() > KEPT => self.sent = None,
            Some(data) => sent.data.extend_from_slice(data),
            None => sent.trailers = frame.trailers_ref().cloned(),
        }
    }
}

impl Spare {
    pub(super) fn of(request: &Request<Outgoing>) -> Self {
        let mut head = Request::new(());
        request.method().clone_into(head.method_mut());
        request.uri().clone_into(head.uri_mut());
        request.headers().clone_into(head.headers_mut());
        request.extensions().clone_into(head.extensions_mut());
        *head.version_mut() = request.version();
        Self { head, body: request.body().rest.as_ref().map(|rest| Rc::clone(&rest.of)) }
    }

    /// The request for another attempt; none where more of its body has been sent than was kept.
    pub(super) fn again(&self) -> Option<Request<Outgoing>> {
        let body = match &self.body {
            None => Outgoing { sent: Sent::default(), rest: None },
            Some(of) => {
                let mut shared = of.borrow_mut();
                let sent = shared.sent.clone()?;
                shared.attempt += 1;
                Outgoing { sent, rest: Some(Rest { of: Rc::clone(of), attempt: shared.attempt }) }
            }
        };
        Some(self.head.clone().map(|()| body))
    }
}

impl Drop for Spare {
    /// There is an answer, or nobody waits for one.
    fn drop(&mut self) {
        if let Some(body) = &self.body {
            body.borrow_mut().sent = None;
        }
    }
}
