//! One request's way: edge → tap → forward (or sink), in the order in which `lib.rs` names the modules.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use http::header::HeaderValue;
use http::request::Parts;
use http::{HeaderName, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use umbra_common::exchange::Fields;
use umbra_common::ledger::{RecordOutcome, SkipReason};
use umbra_common::provenance;
use umbra_common::time::Timestamp;

use crate::answer::{grpc, grpc_kind, last, plain};
use crate::config::EdgeConfig;
use crate::edge::{self, Arrived, Guarded, HeadLimits, Refusal};
use crate::forward::{Asked, Failure, RequestBody, ResponseBody, Sender, UnderWay, forwarded_lines};
use crate::pulse::{Pulse, Stopped};
use crate::rules::{Decision, Head};
use crate::sink;
use crate::tap::{BodyCopy, DRAFT_BYTES, Draft, RequestHead, Tap};
use crate::worker::{Way, Worker};

/// What a replayer puts on everything it sends. Such a request is never recorded: no loop.
static MARKER: HeaderName = HeaderName::from_static("umbra-shadow");

/// Who recorded what a replayer sends.
const RECORDED_BY: HeaderName = HeaderName::from_static(provenance::FIELD);

const NO_ANSWER: &str = "the upstream gave no answer";

/// The client of one connection.
#[derive(Debug)]
pub(crate) struct Client {
    addr: SocketAddr,
    /// Held by each answer that is under way.
    answers: Rc<UnderWay>,
    /// As `X-Forwarded-For` has it.
    text: HeaderValue,
    /// What the origin is told of it, as a rule.
    lines: Bytes,
    /// The upstream's side of the tunnel that the connection is about to become.
    tunnel: RefCell<Option<OnUpgrade>>,
    worker: Rc<Worker>,
}

impl Client {
    pub(crate) fn new(addr: SocketAddr, worker: Rc<Worker>) -> Self {
        let text = HeaderValue::from_str(&addr.ip().to_canonical().to_string());
        let text = text.unwrap_or(HeaderValue::from_static("unknown"));
        let lines = forwarded_lines(&text, worker.scheme());
        let answers = Rc::new(UnderWay { meter: Arc::clone(&worker.meter) });
        Self { addr, answers, text, lines, tunnel: RefCell::default(), worker }
    }

    pub(crate) fn worker(&self) -> Rc<Worker> {
        Rc::clone(&self.worker)
    }

    /// What it may do, and how long it may take.
    pub(crate) fn edge(&self) -> &EdgeConfig {
        &self.worker.edge
    }

    /// How many answers are under way.
    pub(crate) fn answers(&self) -> usize {
        Rc::strong_count(&self.answers) - 1
    }

    /// Answers an HTTP/1 request, whose head has passed the wire guard.
    pub(crate) async fn serve_http1(
        self: Rc<Self>,
        parts: Box<Parts>,
        body: Incoming,
        arrived: Arrived,
    ) -> Result<Response<ResponseBody>, Infallible> {
        let under_way = Rc::clone(&self.answers);
        let asked = if arrived.asks_upgrade() && !self.is_sink() { Asked::by_upgrade(&parts.headers) } else { None };
        let asked = asked.map(Box::new);
        if asked.is_none() {
            arrived.go_on();
        }
        let head = |_: &Parts| RequestHead::wire(Arc::clone(&arrived.head.bytes), self.is_sink());
        let body = RequestBody::new(body);
        let mut response = self.pass(parts, body, asked, Some(&arrived), head).await;
        arrived.until_next().await;
        arrived.is_answered();
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            arrived.step_aside();
            self.tunnel.replace(Some(hyper::upgrade::on(&mut response)));
        } else {
            arrived.stay();
            if self.worker.closing.is_announced() {
                response = last(response);
            }
        }
        response.body_mut().hold(under_way);
        self.worker.counters.response(response.status());
        Ok(response)
    }

    /// Answers an HTTP/2 request.
    pub(crate) async fn serve_http2(
        self: Rc<Self>,
        mut request: Request<Incoming>,
        pulse: Rc<Pulse>,
    ) -> Result<Response<ResponseBody>, Infallible> {
        let under_way = Rc::clone(&self.answers);
        let client_side = (request.method() == Method::CONNECT).then(|| hyper::upgrade::on(&mut request));
        let (parts, body) = request.into_parts();
        let mut response = match edge::check_http2(&parts, HeadLimits::of(self.edge())) {
            Ok(()) => {
                let body = RequestBody::watched(body, &pulse);
                let asked = client_side.as_ref().and_then(|_| Asked::by_connect(&parts)).map(Box::new);
                let head = |parts: &Parts| RequestHead::listed(parts, self.is_sink());
                let answer = pin!(self.pass(Box::new(parts), body, asked, None, head));
                self.unless_stopped(answer, &pulse).await
            }
            Err(refusal) => {
                self.refused(refusal);
                plain(refusal.status(), refusal.as_str())
            }
        };
        if let Some(client_side) = client_side
            && response.status().is_success()
        {
            let (upstream, tunnels) = (hyper::upgrade::on(&mut response), Rc::clone(&self.worker.tunnels));
            let under_way = Rc::clone(&under_way);
            tokio::task::spawn_local(async move {
                if let Ok(client) = client_side.await {
                    tunnels.carry(TokioIo::new(client), upstream).await;
                }
                // A connection with a tunnel is in use.
                drop(under_way);
            });
        }
        response.body_mut().hold(under_way);
        response.body_mut().watch(pulse);
        self.worker.counters.response(response.status());
        Ok(response)
    }

    /// The answer, unless the client leaves the request's body unfinished.
    async fn unless_stopped(
        &self,
        mut answer: Pin<&mut impl Future<Output = Response<ResponseBody>>>,
        pulse: &Pulse,
    ) -> Response<ResponseBody> {
        poll_fn(|cx| match answer.as_mut().poll(cx) {
            Poll::Pending if pulse.stopped(cx) == Some(Stopped::Body) => {
                // The request has been seen already.
                self.worker.counters.refused(Refusal::SlowBody);
                Poll::Ready(plain(Refusal::SlowBody.status(), Refusal::SlowBody.as_str()))
            }
            polled => polled,
        })
        .await
    }

    /// Carries what follows an HTTP/1 handshake that changed the protocol, until the tunnel ends.
    pub(crate) async fn tunnel<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: Guarded<S>, ahead: &[u8]) {
        let upstream = self.tunnel.take();
        if let Some(upstream) = upstream {
            self.worker.tunnels.carry(stream.into_tunnel(ahead), upstream).await;
        }
    }

    fn is_sink(&self) -> bool {
        matches!(self.worker.way, Way::Sink)
    }

    /// Counts a request that reached no origin.
    pub(crate) fn refused(&self, refusal: Refusal) {
        self.worker.ledger.open().end(RecordOutcome::Skipped(SkipReason::Refused));
        self.worker.counters.refused(refusal);
    }

    /// The request's way. What the library knows of it goes in a box: it would be copied, and held, at each step.
    async fn pass(
        &self,
        parts: Box<Parts>,
        mut body: RequestBody,
        asked: Option<Box<Asked>>,
        arrived: Option<&Arrived>,
        head: impl FnOnce(&Parts) -> RequestHead,
    ) -> Response<ResponseBody> {
        // A look at each of a few names costs less than to hash this one.
        let marked = parts.headers.keys().any(|name| *name == MARKER);
        if marked && self.is_own_replay(&parts) {
            self.refused(Refusal::OwnReplay);
            let why = "this recorder took that request: its replay would reach production\n";
            return plain(Refusal::OwnReplay.status(), why);
        }
        let came = Instant::now();
        let tap = self.tap(&parts, marked, came, head);
        body.tapped(tap.as_ref());
        body.metered(&self.worker.meter);
        match &self.worker.way {
            Way::Sink => sink::answer(&parts, body, tap).await,
            Way::Forward(forwarder) => {
                let sender =
                    Sender { client: &self.text, lines: &self.lines, scheme: self.worker.scheme(), arrived, asked };
                let grpc = grpc_kind(&parts);
                // In a box: it would be copied twice on its way to its place, and with all that it is a part of.
                match Box::pin(forwarder.forward(parts, body, sender, tap.clone())).await {
                    Ok((response, origin)) => {
                        self.worker.meter.answered(came.elapsed(), origin);
                        response
                    }
                    Err(failure) => self.failed(&failure, grpc, tap),
                }
            }
        }
    }

    /// Whether a replayer was pointed at the recorder that its traffic is from.
    fn is_own_replay(&self, parts: &Parts) -> bool {
        !self.is_sink() && parts.headers.get(RECORDED_BY).is_some_and(|word| word == self.worker.provenance.as_str())
    }

    /// Opens the request's entry in the ledger, and puts its record under way where there is to be one.
    fn tap(&self, parts: &Parts, marked: bool, came: Instant, head: impl FnOnce(&Parts) -> RequestHead) -> Option<Tap> {
        let worker = &self.worker;
        let entry = worker.ledger.open();
        if marked {
            entry.end(RecordOutcome::Skipped(SkipReason::Marked));
            return None;
        }
        let arrival = Timestamp::now();
        let id = worker.ids.borrow_mut().next(arrival);
        let client = edge::client(self.addr, &parts.headers, &worker.edge.trust_forwarded_for);
        let seen = Head { parts, mirrored: self.is_sink() };
        let take = |fraction| worker.sampler.take(fraction, id, client, &parts.headers);
        let (session, sampled_at, limits) = match worker.rules.decide(&seen, take) {
            Decision::Take { session, fraction, limits } => (session, fraction, limits),
            Decision::LeaveOut => {
                entry.end(RecordOutcome::SampledOut);
                return None;
            }
            Decision::Paused => {
                entry.end(RecordOutcome::Skipped(SkipReason::Paused));
                return None;
            }
        };
        let head = head(parts);
        let permit = match worker.budget.take((DRAFT_BYTES + head.byte_len()) as u64) {
            Ok(permit) => permit,
            Err(why) => {
                entry.end(RecordOutcome::Dropped(why.into()));
                return None;
            }
        };
        Some(worker.taps.open(Draft {
            entry,
            permit,
            limits,
            id,
            arrival,
            started: came,
            client,
            scheme: worker.scheme(),
            head,
            body: BodyCopy::default(),
            whole: false,
            trailers: Fields::default(),
            session,
            sampled_at,
            response: None,
            ended: None,
        }))
    }

    /// The answer where the upstream gave none; recorded as what the client was told.
    fn failed(&self, failure: &Failure, grpc_kind: Option<HeaderValue>, tap: Option<Tap>) -> Response<ResponseBody> {
        tracing::debug!(%failure, "the upstream gave no answer");
        self.worker.counters.upstream_failed(failure);
        let response = match grpc_kind {
            Some(kind) => grpc(kind, failure.grpc_status(), NO_ANSWER),
            None => plain(failure.status(), NO_ANSWER),
        };
        let (head, body) = response.into_parts();
        if let Some(tap) = tap {
            tap.response_head(&head, &[], Instant::now());
            tap.end(failure.ending());
        }
        Response::from_parts(head, body)
    }
}
