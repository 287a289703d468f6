//! A load of a fixed rate over several connections, each request with its latency.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::wire::RawClient;

/// What came of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it was due, since the load began.
    pub due: Duration,
    /// From then until its answer was there: a request that had to wait for an earlier one has waited too.
    pub took: Duration,
    /// Whether it was answered with 200.
    pub good: bool,
}

/// A load that runs until it is told to end.
pub struct SteadyLoad {
    began: Instant,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Sample>>>,
}

impl SteadyLoad {
    /// The same request `per_second` times, as evenly as the machine can: each of `connections` threads has a connection,
    /// and its turn.
    pub fn start(to: SocketAddr, connections: u32, per_second: u32, request: &[u8]) -> Self {
        let (began, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let between = Duration::from_secs(1) / per_second;
        let thread = |n| {
            let (stop, request) = (Arc::clone(&stop), request.to_vec());
            std::thread::spawn(move || run(to, began, between * n, between * connections, &request, &stop))
        };
        Self { began, threads: (0..connections).map(thread).collect(), stop }
    }

    /// How long it has been running.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Ends it. What came of each request, by when it was due.
    pub fn finish(mut self) -> Vec<Sample> {
        self.stop.store(true, Ordering::Relaxed);
        let threads = std::mem::take(&mut self.threads);
        let mut samples: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        samples.sort_unstable_by_key(|sample| sample.due);
        samples
    }
}

impl Drop for SteadyLoad {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn run(
    to: SocketAddr,
    began: Instant,
    first: Duration,
    every: Duration,
    request: &[u8],
    stop: &AtomicBool,
) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut client = None;
    let mut due = first;
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep((began + due).saturating_duration_since(Instant::now()));
        let to_use = client.get_or_insert_with(|| RawClient::connect(to));
        let answer = to_use.try_send(request).and_then(|()| to_use.try_response(b"GET"));
        let good = answer.is_ok_and(|response| response.status() == 200);
        if !good {
            client = None;
        }
        samples.push(Sample { due, took: began.elapsed().saturating_sub(due), good });
        due += every;
    }
    samples
}

/// A request with a body of so many random bytes.
pub fn post(body: usize) -> Vec<u8> {
    let mut request = format!("POST / HTTP/1.1\r\nhost: load\r\ncontent-length: {body}\r\n\r\n").into_bytes();
    request.extend(std::iter::repeat_with(|| fastrand::u8(..)).take(body));
    request
}

/// The latency that so many of a hundred requests keep; nothing where there are no samples.
pub fn percentile(percent: usize, samples: &[Sample]) -> Option<Duration> {
    let mut took: Vec<_> = samples.iter().map(|sample| sample.took).collect();
    took.sort_unstable();
    took.get(took.len().saturating_sub(1) * percent / 100).copied()
}
