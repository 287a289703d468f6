//! A server that remembers what it was sent.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

use crate::target::Target;

/// One request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) at: Instant,
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

/// Speaks HTTP/1.1 and cleartext HTTP/2; ends with this.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    _end: tokio::sync::oneshot::Sender<()>,
}

type Answer = Response<Full<Bytes>>;

impl Receiver {
    /// Answers everything with 200.
    pub(crate) fn start() -> Self {
        Self::answering(Duration::ZERO, |_| Response::new(Full::new(Bytes::from_static(b"hello"))))
    }

    /// Answers everything with 200, at an address that nobody else has.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self::bound(address, Duration::ZERO, |_| Response::default())
    }

    /// Answers after a time.
    pub(crate) fn answering(delay: Duration, answer: fn(&Received) -> Answer) -> Self {
        Self::bound(SocketAddr::from(([127, 0, 0, 1], 0)), delay, answer)
    }

    fn bound(address: SocketAddr, delay: Duration, answer: fn(&Received) -> Answer) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let seen = received.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let seen = seen.clone();
                let service = service_fn(move |request| take(request, seen.clone(), delay, answer));
                tokio::spawn(async move {
                    let _ =
                        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        std::thread::spawn(move || runtime.block_on(ended));
        Self { address, received, _end: end }
    }

    pub(crate) fn target(&self, name: &str) -> Target {
        format!("{name}=http://{}", self.address).parse().unwrap()
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

async fn take(
    request: Request<Incoming>,
    seen: Arc<Mutex<Vec<Received>>>,
    delay: Duration,
    answer: fn(&Received) -> Answer,
) -> Result<Answer, Infallible> {
    let at = Instant::now();
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned();
    let received = Received {
        at,
        method: head.method,
        target: head.uri.to_string(),
        version: head.version,
        headers: head.headers,
        body: body.to_bytes(),
        trailers,
    };
    let answer = answer(&received);
    seen.lock().unwrap().push(received);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    Ok(answer)
}
