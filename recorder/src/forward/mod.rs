//! Forwarding: the request to the upstream, the response to the client, each as it comes.
//!
//! Nothing is buffered and nothing waits for the tap. Dropping either side drops the other.

mod connect;
mod expect;
mod failure;
mod faithful;
mod fresh;
mod hop;
mod http1;
mod http2;
mod interim;
mod lease;
mod overheard;
mod request_body;
mod response_body;
mod target;
mod upgrade;
mod waking;

pub(crate) use failure::Failure;
pub(crate) use hop::forwarded_lines;
pub(crate) use request_body::RequestBody;
pub(crate) use response_body::{ResponseBody, UnderWay};
pub(crate) use upgrade::Asked;

use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT, HeaderValue, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use tokio::time::timeout;
use umbra_common::exchange::Scheme;

use crate::answer::grpc_kind;
use crate::config::{Dialing, Protocol, Upstream};
use crate::deadlines::{Deadlines, Elapsed};
use crate::edge::{Arrived, takes_interim};
use crate::metrics::Meter;
use crate::tap::Tap;
use connect::Connector;
use expect::Gate;
use faithful::Came;
use hop::Stripped;
use interim::Interim;
use lease::Lease;
use upgrade::Handshake;

/// One worker's way to the upstream.
#[derive(Debug)]
pub(crate) struct Forwarder {
    upstream: Upstream,
    connector: Rc<Connector>,
    http1: Rc<http1::Pool>,
    http2: Rc<http2::Channel>,
    timeout: Duration,
    deadlines: Rc<Deadlines>,
}

/// Who sent a request, as the upstream is told.
#[derive(Debug)]
pub(crate) struct Sender<'a> {
    /// The client's address.
    pub(crate) client: &'a HeaderValue,
    /// The same by [`forwarded_lines`].
    pub(crate) lines: &'a Bytes,
    /// How it reached the recorder.
    pub(crate) scheme: Scheme,
    /// The request as it came, where that was by HTTP/1.
    pub(crate) arrived: Option<&'a Arrived>,
    /// The other protocol that it asks for: few do, so that the others have no room for it.
    pub(crate) asked: Option<Box<Asked>>,
}

impl Forwarder {
    pub(crate) fn new(
        upstream: Upstream,
        dialing: &Dialing,
        timeout: Duration,
        deadlines: Rc<Deadlines>,
        meter: Arc<Meter>,
    ) -> Self {
        let connector = Connector::new(&upstream, dialing);
        let http1 = http1::Pool::new(Rc::clone(&connector), Rc::clone(&deadlines));
        let http2 = http2::Channel::new(Rc::clone(&connector), meter);
        Self { upstream, connector, http1, http2, timeout, deadlines }
    }

    /// Sends a request on and brings the response, whose body is still to come, and how long the origin took to begin it.
    /// Where the protocol changes, the response has the upstream's side of the tunnel in its extensions.
    pub(crate) async fn forward(
        &self,
        mut parts: Box<Parts>,
        mut body: RequestBody,
        sender: Sender<'_>,
        tap: Option<Tap>,
    ) -> Result<(Response<ResponseBody>, Duration), Failure> {
        let http2 = self.speaks_http2(&parts, sender.asked.is_some()).await?;
        let mut handshake = sender.asked.map(Handshake::new);
        let mut came = sender.arrived.map(|arrived| Came::new(&arrived.head, &parts.headers, body.is_end_stream()));
        let Stripped { takes_trailers, is_forwarded } = hop::strip(&mut parts.headers);
        if takes_trailers {
            hop::take_trailers(&mut parts.headers, http2);
        }
        match &mut came {
            // Added to what is written anyway, instead of as fields.
            Some(came) if !http2 && !is_forwarded && parts.version == Version::HTTP_11 && came.takes_lines() => {
                came.add(sender.lines.clone());
            }
            _ => hop::add_forwarded(&mut parts.headers, sender.client, sender.scheme, parts.version),
        }
        let hints = sender.arrived.filter(|_| !http2 && takes_interim(parts.version)).map(Arrived::hints);
        let gate = (!http2 && expects_continue(&parts)).then(Gate::new);
        if let Some(gate) = &gate {
            body.behind(gate.clone());
        }
        let progress = (!body.is_end_stream()).then(|| body.progress());
        if http2 {
            if let Some(handshake) = &mut handshake {
                handshake.ask_http2(&mut parts)?;
                self.http2.takes_connect().await?;
            }
            target::http2(&mut parts, &self.upstream, came.as_ref().and_then(Came::odd))?;
        } else {
            if let Some(handshake) = &mut handshake {
                handshake.ask_http1(&mut parts)?;
            }
            target::http1(&mut parts, &body)?;
        }
        let mut request = Box::new(Request::from_parts(*parts, body));
        if let Some(gate) = &gate {
            interim::open(&mut request, gate);
        }
        let interim = hints.map(|hints| Interim::new(hints, gate.as_ref()));
        let asked = Instant::now();
        // Pinned here: passed on by value, it would be held several times over.
        let answer = pin!(self.answer(http2, request, &mut came, interim));
        let answered = match progress {
            None => self.deadlines.within(self.timeout, answer).await.unwrap_or(Err(Failure::ResponseTimeout)),
            Some(progress) => self.answer_to_body(answer, &progress, gate.as_ref()).await,
        };
        if http2 && matches!(answered, Err(Failure::ResponseTimeout)) {
            self.http2.distrust(self.timeout);
        }
        let (response, lease) = answered?;
        let begun = Instant::now();
        let (mut parts, incoming) = response.into_parts();
        let overheard = match (sender.arrived, &lease) {
            (Some(arrived), Lease::Http1(lease)) => Some((arrived, lease.overheard())),
            _ => None,
        };
        if let Some(tap) = &tap {
            let heard = overheard.as_ref().map_or(&[][..], |(_, heard)| heard);
            tap.response_head(&parts, overheard::head(heard, incoming.size_hint().exact()), begun);
        }
        if let Some((arrived, head)) = overheard {
            arrived.answer_like(head);
        }
        let chosen = handshake.as_ref().and_then(|_| parts.headers.get(UPGRADE).cloned());
        hop::strip(&mut parts.headers);
        match &handshake {
            Some(handshake) => handshake.read(&mut parts, http2, chosen)?,
            None if parts.status == StatusCode::SWITCHING_PROTOCOLS => return Err(Failure::Switched),
            None => {}
        }
        let to_http1 = http2 && sender.arrived.is_some();
        if to_http1 && takes_trailers && parts.headers.contains_key(TRAILER) && !incoming.is_end_stream() {
            // HTTP/1 has trailers behind a chunked body alone.
            parts.headers.remove(CONTENT_LENGTH);
            parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        // What the client gets is its own connection's version; hyper sees to it.
        parts.version = Version::HTTP_11;
        Ok((Response::from_parts(parts, ResponseBody::upstream(incoming, lease, gate, tap)), begun - asked))
    }

    /// By which protocol a request goes on.
    async fn speaks_http2(&self, parts: &Parts, tunnel: bool) -> Result<bool, Failure> {
        let came_by_http2 = parts.version == Version::HTTP_2;
        // Every server knows upgrades, few know extended CONNECT.
        let tunnel = tunnel && !self.http2.is_known_to_take_connect();
        match self.upstream.protocol {
            Protocol::H2c => Ok(true),
            // gRPC cannot travel by HTTP/1.1.
            Protocol::Http => Ok(came_by_http2 && grpc_kind(parts).is_some()),
            Protocol::Auto => Ok(came_by_http2 && !tunnel),
            Protocol::Https if !came_by_http2 || tunnel => Ok(false),
            Protocol::Https => match self.http2.is_spoken().await? {
                false if grpc_kind(parts).is_some() => Err(Failure::NoHttp2),
                spoken => Ok(spoken),
            },
        }
    }

    async fn answer(
        &self,
        http2: bool,
        request: Box<Request<RequestBody>>,
        came: &mut Option<Came>,
        interim: Option<Interim>,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        if http2 {
            let (response, stream) = self.http2.send(request).await?;
            return Ok((response, Lease::Http2(stream)));
        }
        let (response, lease) = self.http1.send(request, came, interim).await?;
        Ok((response, Lease::Http1(lease)))
    }

    /// Waits for the head of a response. The time runs from the end of the request: a client may send slowly.
    async fn answer_to_body<T>(
        &self,
        mut answer: Pin<&mut impl Future<Output = Result<T, Failure>>>,
        progress: &request_body::Progress,
        gate: Option<&Gate>,
    ) -> Result<T, Failure> {
        if let Some(gate) = gate {
            match timeout(expect::PATIENCE, &mut answer).await {
                Ok(answer) => return answer,
                Err(_) => gate.open(),
            }
        }
        loop {
            let before = progress.state();
            match self.deadlines.within(self.timeout, &mut answer).await {
                Ok(answer) => return answer,
                Err(Elapsed) if before.is_done() => return Err(Failure::ResponseTimeout),
                Err(Elapsed) => {}
            }
        }
    }

    /// Whether a client may be told that extended CONNECT is taken: what goes on as HTTP/1.1 becomes an upgrade.
    pub(crate) fn takes_connect(&self) -> bool {
        self.upstream.protocol != Protocol::H2c || self.http2.is_known_to_take_connect()
    }

    /// Closes connections that nobody has used for a while, and follows the upstream's name.
    pub(crate) fn close_idle(&self) {
        self.http1.close_idle();
        let now = self.deadlines.now();
        self.http2.close_surplus(now);
        self.connector.look(now);
    }
}

fn expects_continue(parts: &Parts) -> bool {
    parts.version != Version::HTTP_2
        && parts.headers.get(EXPECT).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}
