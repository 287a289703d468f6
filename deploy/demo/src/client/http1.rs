//! Ordinary HTTP/1.1: one connection, kept alive.

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::Context;
use bytes::Bytes;
use http::Request;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Payload;
use crate::sighting::{Sighting, Status};

type RequestBody = BoxBody<Bytes, Infallible>;

/// A connection to the recorder.
pub(super) struct Connection(SendRequest<RequestBody>);

impl Connection {
    pub(super) async fn open(to: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(to).await.with_context(|| format!("cannot connect to the recorder at {to}"))?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // How it ends is seen by the requests on it.
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Sends the request with its body in the given form, and reads the whole answer.
    pub(super) async fn send(&mut self, request: Request<Bytes>, body: Payload) -> anyhow::Result<Sighting> {
        let (head, whole) = request.into_parts();
        let mut sent = Sighting::of(&head, whole);
        self.0.ready().await?;
        let answer = self.0.send_request(Request::from_parts(head, on_the_wire(body))).await?;
        sent.status = Some(Status::new(answer.status().as_u16(), None));
        answer.into_body().collect().await?;
        Ok(sent)
    }
}

fn on_the_wire(body: Payload) -> RequestBody {
    match body {
        Payload::Empty => Empty::new().boxed(),
        Payload::Sized(body) => Full::from(body).boxed(),
        Payload::Chunked(pieces) => {
            let frames = pieces.iter().map(|p| Ok(Frame::data(Bytes::from_static(p.as_bytes()))));
            StreamBody::new(tokio_stream::iter(frames)).boxed()
        }
    }
}
