//! An HTTP/2 origin without TLS that holds its answers back, counts its connections and ends them when told.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::{Semaphore, oneshot, watch};

/// The path to which it begins an answer, whose stream it [resets](Http2Origin::reset).
pub const RESET: &str = "/reset";

/// The origin. Ends, with all of its connections, when it is dropped.
#[derive(Debug)]
pub struct Http2Origin {
    addr: SocketAddr,
    seen: Arc<Seen>,
    goodbye: watch::Sender<u64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Seen {
    connections: AtomicUsize,
    requests: Mutex<Vec<Request<()>>>,
    under_way: AtomicUsize,
    /// One permit for each answer that may go out.
    answers: Semaphore,
    /// One permit for each answer that may be broken off.
    resets: Semaphore,
}

impl Http2Origin {
    /// One that takes `most` streams on each connection at once, and answers as soon as it is asked.
    pub fn start(most: u32) -> Self {
        let origin = Self::holding(most);
        origin.answer(Semaphore::MAX_PERMITS);
        origin
    }

    /// One that gives no answer until it [may](Self::answer).
    pub fn holding(most: u32) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let seen = Arc::new(Seen {
            connections: AtomicUsize::new(0),
            requests: Mutex::default(),
            under_way: AtomicUsize::new(0),
            answers: Semaphore::new(0),
            resets: Semaphore::new(0),
        });
        let (goodbye, leaving) = watch::channel(0);
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let serving = Arc::clone(&seen);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = accept(listener, most, serving, leaving) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { addr, seen, goodbye, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Lets so many more answers go out.
    pub fn answer(&self, count: usize) {
        self.seen.answers.add_permits(count);
    }

    /// Cancels the stream of one answer to [`RESET`], which has begun.
    pub fn reset(&self) {
        self.seen.resets.add_permits(1);
    }

    /// Sends GOAWAY on all connections; what has begun on them is finished.
    pub fn say_goodbye(&self) {
        self.goodbye.send_modify(|n| *n += 1);
    }

    /// How many connections it has taken.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// The heads of the requests that came.
    pub fn requests(&self) -> Vec<Request<()>> {
        self.seen.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many requests have come and have neither been answered nor given up.
    pub fn under_way(&self) -> usize {
        self.seen.under_way.load(Ordering::SeqCst)
    }
}

impl Drop for Http2Origin {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: tokio::net::TcpListener, most: u32, seen: Arc<Seen>, leaving: watch::Receiver<u64>) {
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        seen.connections.fetch_add(1, Ordering::SeqCst);
        let (seen, mut leaving) = (Arc::clone(&seen), leaving.clone());
        leaving.mark_unchanged();
        tokio::spawn(async move {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.max_concurrent_streams(most);
            let service = service_fn(move |request| answer(request, Arc::clone(&seen)));
            let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
            // How a connection ends is seen by the client that the test looks at.
            let ended = tokio::select! {
                ended = connection.as_mut() => Some(ended),
                _ = leaving.changed() => None,
            };
            if ended.is_none() {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        });
    }
}

/// Counts a request for as long as it is there.
struct UnderWay(Arc<Seen>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn answer(request: Request<Incoming>, seen: Arc<Seen>) -> Result<Response<Script>, hyper::Error> {
    let (parts, _body) = request.into_parts();
    seen.under_way.fetch_add(1, Ordering::SeqCst);
    let under_way = UnderWay(Arc::clone(&seen));
    let resets = parts.uri.path() == RESET;
    seen.requests.lock().unwrap_or_else(PoisonError::into_inner).push(Request::from_parts(parts, ()));
    seen.answers.acquire().await.unwrap().forget();
    let broken_off = async move { seen.resets.acquire().await.unwrap().forget() };
    let end: Option<Broken> = if resets { Some(Box::pin(broken_off)) } else { None };
    Ok(Response::new(Script { data: Some(Bytes::from_static(b"ok")), end, _under_way: under_way }))
}

type Broken = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The body: `ok`, and then the end or, in its time, a reset with the code CANCEL.
struct Script {
    data: Option<Bytes>,
    end: Option<Broken>,
    _under_way: UnderWay,
}

impl Body for Script {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match &mut self.end {
            None => Poll::Ready(None),
            Some(broken) => broken.as_mut().poll(cx).map(|()| Some(Err(h2::Reason::CANCEL.into()))),
        }
    }
}
