//! A fast receiver that counts what it gets: for thousands of requests, where the bytes of each are too many to keep.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use sha2::{Digest, Sha256};

use crate::http_server::HttpServer;
use crate::wait::eventually;

/// What tells one request from another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counted {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// SHA-256 of the body.
    pub body: [u8; 32],
    /// `Host` or `:authority`.
    pub host: String,
}

impl Counted {
    /// The request with these parts.
    pub fn new(method: &str, target: &str, body: &[u8], host: &str) -> Self {
        Self { method: method.into(), target: target.into(), body: Sha256::digest(body).into(), host: host.into() }
    }
}

impl std::fmt::Debug for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hash = u32::from_be_bytes([self.body[0], self.body[1], self.body[2], self.body[3]]);
        write!(f, "{} {} {hash:08x} {}", self.method, self.target, self.host)
    }
}

/// How often each request came.
pub type Multiset = BTreeMap<Counted, u32>;

/// A server for HTTP/1.1 and cleartext HTTP/2 that reads whole bodies, counts, and answers 200.
#[derive(Debug)]
pub struct Receiver {
    server: HttpServer,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    http2: usize,
    kinds: Multiset,
}

impl Receiver {
    /// Starts one.
    pub fn start() -> Self {
        let counts = Arc::<Mutex<Counts>>::default();
        let counting = Arc::clone(&counts);
        let server = HttpServer::start(service_fn(move |request| receive(request, Arc::clone(&counting))));
        Self { server, counts }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// Where it listens, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// How many requests came.
    pub fn count(&self) -> usize {
        self.counts().all
    }

    /// How many of them came by HTTP/2.
    pub fn http2_count(&self) -> usize {
        self.counts().http2
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until so many requests have come.
    #[track_caller]
    pub fn wait_for(&self, count: usize) {
        eventually(&format!("{count} requests at the receiver"), || self.count() >= count);
    }

    /// What came, and how often.
    pub fn multiset(&self) -> Multiset {
        self.counts().kinds.clone()
    }
}

async fn receive(request: Request<Incoming>, counts: Arc<Mutex<Counts>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        // Half a request is none: its sender sees an error.
        return Ok(Response::builder().status(400).body(Full::default()).unwrap());
    };
    let host = head.uri.authority().map(ToString::to_string).unwrap_or_else(|| {
        head.headers.get("host").map(|h| String::from_utf8_lossy(h.as_bytes()).into_owned()).unwrap_or_default()
    });
    let target = head.uri.path_and_query().map_or("", |t| t.as_str());
    let counted = Counted::new(head.method.as_str(), target, &body.to_bytes(), &host);
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    counts.all += 1;
    counts.http2 += usize::from(head.version == Version::HTTP_2);
    *counts.kinds.entry(counted).or_default() += 1;
    Ok(Response::new(Full::default()))
}

/// Fails, with a few examples, where two multisets differ.
#[track_caller]
pub fn assert_same(sent: &Multiset, received: &Multiset) {
    let differing = |a: &Multiset, b: &Multiset| -> Vec<String> {
        a.iter().filter(|(k, n)| b.get(k) != Some(n)).map(|(k, n)| format!("{n} x {k:?}")).collect()
    };
    let (lost, extra) = (differing(sent, received), differing(received, sent));
    assert!(
        lost.is_empty() && extra.is_empty(),
        "{} kinds of requests differ; sent: {:#?}; received: {:#?}",
        lost.len().max(extra.len()),
        &lost[..lost.len().min(5)],
        &extra[..extra.len().min(5)]
    );
}
