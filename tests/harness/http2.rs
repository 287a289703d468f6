//! An HTTP/2 client without TLS (prior knowledge), for tests that are not `async`.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};

/// One connection.
#[derive(Debug)]
pub struct Http2Client {
    runtime: tokio::runtime::Runtime,
    connection: SendRequest<BoxBody<Bytes, std::convert::Infallible>>,
}

/// A response with its whole body and its trailers.
#[derive(Debug)]
pub struct Http2Response {
    /// Status and header.
    pub head: Response<()>,
    /// The body.
    pub body: Bytes,
    /// The trailers; empty where there were none.
    pub trailers: HeaderMap,
}

impl Http2Client {
    /// Connects to `to`.
    pub fn connect(to: SocketAddr) -> Self {
        // With a thread of its own, so that the connection goes on between two requests.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let connection = runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(to).await.unwrap_or_else(|e| panic!("connecting to {to}: {e}"));
            stream.set_nodelay(true).unwrap();
            let (connection, driver) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
            tokio::spawn(driver);
            connection
        });
        Self { runtime, connection }
    }

    /// Sends a request and reads its response, or says how that failed.
    pub fn try_exchange(
        &mut self,
        request: Request<Bytes>,
        trailers: HeaderMap,
    ) -> Result<Http2Response, hyper::Error> {
        let request = request.map(|body| match trailers.is_empty() {
            true => Full::new(body).boxed(),
            false => Full::new(body).with_trailers(async { Some(Ok(trailers)) }).boxed(),
        });
        self.runtime.block_on(async {
            self.connection.ready().await?;
            let (head, body) = self.connection.send_request(request).await?.into_parts();
            let body = body.collect().await?;
            let trailers = body.trailers().cloned().unwrap_or_default();
            Ok(Http2Response { head: Response::from_parts(head, ()), body: body.to_bytes(), trailers })
        })
    }

    /// Sends a request, and brings the head of its response.
    pub fn open(&mut self, request: Request<Bytes>) -> Response<Incoming> {
        let request = request.map(|body| Full::new(body).boxed());
        self.runtime.block_on(self.connection.send_request(request)).unwrap_or_else(|e| panic!("no response: {e}"))
    }

    /// The next piece of a body; nothing at its end.
    pub fn next(&self, body: &mut Incoming) -> Option<Result<Bytes, hyper::Error>> {
        let frame = self.runtime.block_on(body.frame())?;
        Some(frame.map(|frame| frame.into_data().unwrap_or_default()))
    }

    /// Sends a request without trailers and reads its response.
    pub fn exchange(&mut self, request: Request<Bytes>) -> Http2Response {
        self.try_exchange(request, HeaderMap::new()).unwrap_or_else(|e| panic!("no whole response: {e}"))
    }
}
