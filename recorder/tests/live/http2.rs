//! HTTP/2 on either side.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::response::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use umbra_common::exchange::{Ending, HttpVersion};

use crate::harness::{Bench, Origin};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// One request over a connection of its own.
pub(crate) fn call(addr: SocketAddr, request: Request<Full<Bytes>>) -> (Parts, Bytes) {
    runtime().block_on(async {
        let io = TokioIo::new(tokio::net::TcpStream::connect(addr).await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        (head, body.collect().await.unwrap().to_bytes())
    })
}

/// An origin that speaks nothing but HTTP/2, and answers with what it was asked.
fn origin() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let echo = service_fn(|request: Request<Incoming>| async {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let text = format!("{} {} {:?}", head.method, head.uri, body);
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
                });
                let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), echo);
                tokio::spawn(connection);
            }
        });
    });
    addr
}

#[test]
fn http2_comes_to_the_same_port_and_goes_on_as_http1() {
    let bench = Bench::before(&Origin::echo(), &[]);
    let request = Request::get("http://api.example.com/x?y").header("te", "trailers");
    let (_, seen) = call(bench.recorder.addr(), request.body(Full::default()).unwrap());
    let seen = String::from_utf8_lossy(&seen).into_owned();
    assert!(seen.starts_with("GET /x?y HTTP/1.1\r\n"), "{seen}");
    for field in ["host: api.example.com\r\n", "te: trailers\r\n", "connection: te\r\n", "via: 2 umbra\r\n"] {
        assert!(seen.contains(field), "{seen}");
    }
    let (_, exchanges) = bench.drain();
    let request = &exchanges[0].request;
    assert_eq!((request.version, &request.target[..]), (HttpVersion::Http2, &b"/x?y"[..]));
    assert_eq!(&request.authority[..], b"api.example.com");
    assert_eq!(request.headers.iter().collect::<Vec<_>>(), [(&b"te"[..], &b"trailers"[..])]);
}

#[test]
fn every_client_reaches_an_upstream_that_speaks_http2_alone() {
    let bench = Bench::with(&["--upstream", &format!("h2c://{}", origin())]);
    let mut client = bench.client();
    for n in 0..3 {
        let request =
            format!("POST /{n} HTTP/1.1\r\nhost: api:80\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n");
        client.send(request);
        assert!(client.head().starts_with("HTTP/1.1 200 "));
        let seen = client.read_until("\"hi\"");
        assert!(seen.starts_with(&format!("POST http://api:80/{n} ")), "{seen}");
    }
    let (head, body) = call(bench.recorder.addr(), Request::get("http://api/x").body(Full::default()).unwrap());
    assert_eq!((head.status.as_u16(), &body[..]), (200, &b"GET http://api/x b\"\""[..]));
    drop(client);
    assert_eq!(bench.drain().0.to_string(), "seen 4 = recorded 4");
}

#[test]
fn a_grpc_call_that_no_upstream_answers_is_unavailable() {
    // Nothing listens on port 1.
    let bench = Bench::with(&["--upstream", "http://127.0.0.1:1"]);
    let request =
        Request::post("http://greeter/helloworld.Greeter/SayHello").header("content-type", "application/grpc");
    let (head, _) = call(bench.recorder.addr(), request.body(Full::default()).unwrap());
    assert_eq!((head.status.as_u16(), &head.headers["grpc-status"]), (200, &"14".parse().unwrap()));
    assert_eq!(bench.drain().1[0].ending, Ending::UpstreamError);
}
