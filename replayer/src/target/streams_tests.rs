//! More streams than a connection takes, and connections that end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::Request;
use http_body_util::Empty;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::{Barrier, Notify};

use super::super::connect::Connections;
use super::super::send::{Keep, Limits, send};
use super::super::{Protocol, Reach, RecordedBody};

const STREAMS: u32 = 3;

/// Takes `STREAMS` at a time on each connection, and answers when `together` requests are there. Says how many connections
/// came. Where `leaves`, a connection's first answer is its last but for those under way.
async fn server(together: usize, leaves: bool) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (count, barrier) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(together)));
    let counting = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counting.fetch_add(1, Ordering::Relaxed);
            let answered = Arc::new(Notify::new());
            let (barrier, answering) = (Arc::clone(&barrier), Arc::clone(&answered));
            let service = service_fn(move |_| {
                let (barrier, answering) = (Arc::clone(&barrier), Arc::clone(&answering));
                async move {
                    barrier.wait().await;
                    answering.notify_one();
                    Ok::<_, Infallible>(http::Response::new(Empty::<Bytes>::new()))
                }
            });
            tokio::spawn(async move {
                let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let serving = server.max_concurrent_streams(STREAMS).serve_connection(TokioIo::new(stream), service);
                let mut serving = std::pin::pin!(serving);
                tokio::select! {
                    _ = &mut serving => return,
                    () = answered.notified(), if leaves => serving.as_mut().graceful_shutdown(),
                }
                let _ = serving.await;
            });
        }
    });
    (address, count)
}

fn connections(to: SocketAddr) -> Connections {
    Connections::to(&format!("h2c://{to}").parse().unwrap(), &Reach::default()).unwrap()
}

async fn request(connections: &Connections, to: SocketAddr) -> Result<u16, String> {
    let uri = format!("http://{to}/");
    let request = Request::builder().uri(uri).version(http::Version::HTTP_2).body(RecordedBody::default()).unwrap();
    let limits = Limits { whole: Duration::from_secs(20), head: None };
    let sent = send(connections, Box::new(request), Protocol::H2, limits, Keep::Nothing).await;
    sent.result.map(|reply| reply.answer.status).map_err(|unanswered| unanswered.error.to_string())
}

#[tokio::test]
async fn what_one_connection_does_not_take_goes_on_another() {
    const TOGETHER: usize = 10;
    let (address, count) = server(TOGETHER, false).await;
    let connections = connections(address);
    for _ in 0..3 {
        // None is answered before all have arrived.
        let all = join_all((0..TOGETHER).map(|_| request(&connections, address))).await;
        assert_eq!(all, vec![Ok(200); TOGETHER]);
    }
    assert_eq!(count.load(Ordering::Relaxed), TOGETHER.div_ceil(STREAMS as usize));
}

#[tokio::test]
async fn a_connection_that_leaves_is_replaced_and_no_request_fails() {
    let (address, count) = server(1, true).await;
    let connections = connections(address);
    for _ in 0..50 {
        assert_eq!(request(&connections, address).await, Ok(200));
    }
    let count = count.load(Ordering::Relaxed);
    assert!((2..=50).contains(&count), "{count} connections");
}

#[tokio::test]
async fn a_target_that_is_no_http2_fails_each_request_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await;
        }
    });
    let error = request(&connections(address), address).await.unwrap_err();
    assert!(!error.contains("--timeout"), "{error}");
}
