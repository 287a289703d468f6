//! Forwarding: the request to the upstream, the response to the client, each as it comes.
//!
//! Nothing is buffered and nothing waits for the tap. Dropping either side drops the other.

mod connect;
mod expect;
mod failure;
mod hop;
mod http1;
mod http2;
mod request_body;
mod response_body;
mod target;

pub(crate) use failure::Failure;
pub(crate) use request_body::RequestBody;
pub(crate) use response_body::ResponseBody;

use std::rc::Rc;
use std::time::Duration;

use http::header::{EXPECT, HeaderValue};
use http::request::Parts;
use http::{Request, Response, Version};
use http_body::Body;
use hyper::body::Incoming;
use tokio::time::timeout;
use umbra_common::exchange::Scheme;

use crate::answer::grpc_kind;
use crate::config::{Protocol, Upstream};
use crate::deadlines::{Deadlines, Elapsed};
use expect::Gate;

/// One worker's way to the upstream.
#[derive(Debug)]
pub(crate) struct Forwarder {
    upstream: Upstream,
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
    /// How it reached the recorder.
    pub(crate) scheme: Scheme,
}

impl Forwarder {
    pub(crate) fn new(upstream: Upstream, timeout: Duration, deadlines: Rc<Deadlines>) -> Self {
        let http1 = http1::Pool::new(upstream.clone(), Rc::clone(&deadlines));
        let http2 = http2::Channel::new(upstream.clone());
        Self { upstream, http1, http2, timeout, deadlines }
    }

    /// Sends a request on and brings the response, whose body is still to come.
    pub(crate) async fn forward(
        &self,
        mut parts: Parts,
        mut body: RequestBody,
        sender: Sender<'_>,
    ) -> Result<Response<ResponseBody>, Failure> {
        let http2 = self.speaks_http2(&parts);
        let tap = body.tap().cloned();
        let takes_trailers = hop::strip(&mut parts.headers);
        if takes_trailers {
            hop::take_trailers(&mut parts.headers, http2);
        }
        hop::add_forwarded(&mut parts.headers, sender.client, sender.scheme, parts.version);
        let gate = (!http2 && expects_continue(&parts)).then(Gate::new);
        if let Some(gate) = &gate {
            body.behind(gate.clone());
        }
        let progress = (!body.is_end_stream()).then(|| body.progress());
        if http2 {
            target::http2(&mut parts, &self.upstream)?;
        } else {
            target::http1(&mut parts, &body)?;
        }
        let mut request = Request::from_parts(parts, body);
        if let Some(gate) = &gate {
            gate.listen(&mut request);
        }
        let answer = self.answer(http2, request);
        let (response, lease) = match progress {
            None => self.deadlines.within(self.timeout, answer).await.map_err(|Elapsed| Failure::ResponseTimeout)??,
            Some(progress) => self.answer_to_body(answer, &progress, gate.as_ref()).await?,
        };
        let (mut parts, incoming) = response.into_parts();
        if let Some(tap) = &tap {
            tap.response_head(&parts);
        }
        hop::strip(&mut parts.headers);
        // What the client gets is its own connection's version; hyper sees to it.
        parts.version = Version::HTTP_11;
        Ok(Response::from_parts(parts, ResponseBody::upstream(incoming, lease, gate, tap)))
    }

    /// gRPC cannot travel by HTTP/1.1, so it goes by HTTP/2 also to an `http://` upstream.
    fn speaks_http2(&self, parts: &Parts) -> bool {
        self.upstream.protocol == Protocol::H2c || parts.version == Version::HTTP_2 && grpc_kind(parts).is_some()
    }

    async fn answer(
        &self,
        http2: bool,
        request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, Option<http1::Lease>), Failure> {
        if http2 {
            return Ok((self.http2.send(request).await?, None));
        }
        let (response, lease) = self.http1.send(request).await?;
        Ok((response, Some(lease)))
    }

    /// Waits for the head of a response. The time runs from the end of the request: a client may send slowly.
    async fn answer_to_body<T>(
        &self,
        answer: impl Future<Output = Result<T, Failure>>,
        progress: &request_body::Progress,
        gate: Option<&Gate>,
    ) -> Result<T, Failure> {
        let mut answer = std::pin::pin!(answer);
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

    /// Closes connections that nobody has used for a while.
    pub(crate) fn close_idle(&self) {
        self.http1.close_idle();
    }
}

fn expects_continue(parts: &Parts) -> bool {
    parts.version != Version::HTTP_2
        && parts.headers.get(EXPECT).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}
