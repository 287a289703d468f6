//! A receiver that notes when each request came, and answers as a test says: for what is sent at a pace.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};

use crate::http_server::HttpServer;
use crate::wait::eventually;

/// One request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When its head had been read.
    pub at: Instant,
    /// Path and query.
    pub target: String,
}

/// How a request is answered.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// How long after the request.
    pub after: Duration,
}

impl Reply {
    /// 200, at once.
    pub const OK: Self = Self { status: 200, after: Duration::ZERO };
}

/// A server for HTTP/1.1 and cleartext HTTP/2.
#[derive(Debug)]
pub struct Arrivals {
    server: HttpServer,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    all: Mutex<Vec<Arrival>>,
    in_flight: AtomicUsize,
    most: AtomicUsize,
}

impl Arrivals {
    /// Answers everything at once.
    pub fn start() -> Self {
        Self::answering(|_| Reply::OK)
    }

    /// Answers the n-th request, counted from 0, as `reply` says.
    pub fn answering(reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        let (seen, reply) = (Arc::<Seen>::default(), Arc::new(reply));
        let noting = Arc::clone(&seen);
        let service = service_fn(move |request: Request<Incoming>| {
            let (noting, reply) = (Arc::clone(&noting), Arc::clone(&reply));
            async move {
                let number = noting.note(&request);
                let reply = reply(number);
                if !reply.after.is_zero() {
                    tokio::time::sleep(reply.after).await;
                }
                noting.in_flight.fetch_sub(1, Ordering::SeqCst);
                let answer = Response::builder().status(reply.status).body(Full::<Bytes>::default());
                Ok::<_, Infallible>(answer.unwrap())
            }
        });
        Self { server: HttpServer::start(service), seen }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// What `--target` takes, under a name.
    pub fn target(&self, name: &str) -> String {
        format!("{name}=http://{}", self.addr())
    }

    /// What has come, in order.
    pub fn all(&self) -> Vec<Arrival> {
        self.seen.all.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many have come.
    pub fn count(&self) -> usize {
        self.seen.all.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// How many came in `[from, from + over)`.
    pub fn between(&self, from: Instant, over: Duration) -> usize {
        self.all().iter().filter(|arrival| (from..from + over).contains(&arrival.at)).count()
    }

    /// The most that were unanswered at a time.
    pub fn most_in_flight(&self) -> usize {
        self.seen.most.load(Ordering::SeqCst)
    }

    /// Waits until so many have come.
    #[track_caller]
    pub fn wait_for(&self, count: usize) {
        eventually(&format!("{count} arrivals"), || self.count() >= count);
    }
}

impl Seen {
    fn note(&self, request: &Request<Incoming>) -> usize {
        let at = Instant::now();
        let in_flight = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(in_flight, Ordering::SeqCst);
        let target = request.uri().path_and_query().map_or("", |t| t.as_str()).to_owned();
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Arrival { at, target });
        all.len() - 1
    }
}
