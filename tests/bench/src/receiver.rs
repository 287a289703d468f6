//! A server that notes when each numbered request arrived.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// When request number n arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// From `/n/NUMBER`.
    pub number: u32,
    /// After an instant that all arrivals of a receiver share.
    pub at: Duration,
}

/// A running receiver, on a thread that ends with the process.
#[derive(Debug)]
pub struct Receiver {
    addr: SocketAddr,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
}

/// The path of a numbered request.
pub fn path(number: u32) -> String {
    format!("{PREFIX}{number}")
}

const PREFIX: &str = "/n/";

/// The body of every answer.
pub const ANSWER: &[u8] = b"ok\n";

impl Receiver {
    /// Starts one on a free port.
    pub fn start() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).context("cannot listen")?;
        let addr = listener.local_addr()?;
        let arrivals = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&arrivals);
        let epoch = Instant::now();
        std::thread::Builder::new().name("receiver".into()).spawn(move || {
            runtime.block_on(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let noted = Arc::clone(&noted);
                    let _ = stream.set_nodelay(true);
                    let service = service_fn(move |request| receive(request, epoch, Arc::clone(&noted)));
                    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
                }
            });
        })?;
        Ok(Self { addr, arrivals })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How many have arrived since they were last taken.
    pub fn count(&self) -> usize {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What has arrived since the last call, in order of number.
    pub fn take(&self) -> Vec<Arrival> {
        let mut arrivals = std::mem::take(&mut *self.arrivals.lock().unwrap_or_else(PoisonError::into_inner));
        arrivals.sort_unstable_by_key(|a| a.number);
        arrivals
    }
}

/// The body is read before the answer: a server that answers sooner measures something else.
async fn receive(
    request: Request<Incoming>,
    epoch: Instant,
    noted: Arc<Mutex<Vec<Arrival>>>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let at = epoch.elapsed();
    if let Some(number) = request.uri().path().strip_prefix(PREFIX).and_then(|n| n.parse().ok()) {
        noted.lock().unwrap_or_else(PoisonError::into_inner).push(Arrival { number, at });
    }
    request.into_body().collect().await?;
    Ok(Response::new(Full::new(Bytes::from_static(ANSWER))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::running::get;

    #[test]
    fn numbered_requests_are_noted_and_others_are_answered() {
        let receiver = Receiver::start().unwrap();
        for path in [path(7), path(3), "/".to_owned()] {
            assert_eq!(get(receiver.addr(), &path).as_deref(), Some("ok\n"));
        }
        let arrivals = receiver.take();
        assert_eq!(arrivals.iter().map(|a| a.number).collect::<Vec<_>>(), [3, 7]);
        assert!(arrivals[0].at > arrivals[1].at, "7 came first");
        assert!(receiver.take().is_empty());
    }
}
