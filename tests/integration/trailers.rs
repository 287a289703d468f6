//! Trailers between peers that speak different versions of HTTP.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, sync_channel};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use umbra_common::exchange::Exchange;
use umbra_tests::http2::Http2Client;
use umbra_tests::origin::{Answer, Origin};
use umbra_tests::recorder::TestRecorder;
use umbra_tests::stores::TestStore;
use umbra_tests::tunnels::block_on;

fn trailers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    fields.iter().map(|(n, v)| (http::HeaderName::from_static(n), http::HeaderValue::from_static(v))).collect()
}

/// Request and response trailers as they are recorded.
fn recorded(exchange: &Exchange) -> [Vec<(&[u8], &[u8])>; 2] {
    [exchange.request.trailers.iter().collect(), exchange.response.as_ref().unwrap().trailers.iter().collect()]
}

#[test]
fn trailers_of_an_http2_client_reach_an_origin_that_speaks_http1_and_back() {
    let origin = Origin::with(|_| {
        Answer::unread().read_body().send(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-end\r\n\r\n2\r\nok\r\n0\r\nx-end: 2\r\nhost: b\r\n\r\n",
        )
    });
    let store = TestStore::sqlite();
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    let mut client = Http2Client::connect(recorder.addr());
    let request = Request::post("http://a/").header("te", "trailers").header("trailer", "x-sum");
    let request = request.body(Bytes::from_static(b"body")).unwrap();
    let response = client.try_exchange(request, trailers(&[("x-sum", "4"), ("content-type", "b")])).unwrap();
    assert_eq!((&response.body[..], response.trailers), (&b"ok"[..], trailers(&[("x-end", "2")])));
    let received = origin.only();
    assert_eq!((&received.body.bytes[..], received.head.get("te")), (&b"body"[..], "trailers".to_owned()));
    assert_eq!(received.body.trailers, [(b"x-sum".to_vec(), b"4".to_vec())]);
    drop(client);
    recorder.drain();
    let exchange = store.exchanges().remove(0);
    assert_eq!(
        recorded(&exchange),
        [vec![(&b"x-sum"[..], &b"4"[..]), (b"content-type", b"b")], vec![(b"x-end", b"2"), (b"host", b"b")]]
    );
}

/// An origin that speaks nothing but HTTP/2, and gives away the trailers that it gets.
fn http2_origin() -> (SocketAddr, Receiver<Option<HeaderMap>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (say, heard) = sync_channel(1);
    std::thread::spawn(move || {
        block_on(async {
            let (stream, _) = listener.accept().unwrap();
            stream.set_nonblocking(true).unwrap();
            let stream = tokio::net::TcpStream::from_std(stream).unwrap();
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                let say = say.clone();
                tokio::spawn(async move {
                    let mut body = request.into_body();
                    while let Some(Ok(data)) = body.data().await {
                        let _ = body.flow_control().release_capacity(data.len());
                    }
                    say.send(body.trailers().await.unwrap()).unwrap();
                    let head =
                        Response::builder().header("trailer", "x-end").header("content-length", "2").body(()).unwrap();
                    let mut send = respond.send_response(head, false).unwrap();
                    send.send_data(Bytes::from_static(b"ok"), false).unwrap();
                    send.send_trailers(trailers(&[("x-end", "2")])).unwrap();
                });
            }
        });
    });
    (addr, heard)
}

#[test]
fn trailers_of_an_http1_client_reach_an_origin_that_speaks_http2_and_back() {
    let (addr, heard) = http2_origin();
    let store = TestStore::sqlite();
    let recorder = TestRecorder::start(&store, &format!("h2c://{addr}"), &[]);
    let mut client = recorder.client();
    let response = client.exchange(
        "POST / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te\r\ntransfer-encoding: chunked\r\n\r\n\
         4\r\nbody\r\n0\r\nx-sum: 4\r\nx-sum: 5\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    assert_eq!(response.text(), "ok");
    assert_eq!(response.body.trailers, [(b"x-end".to_vec(), b"2".to_vec())]);
    let mut expected = trailers(&[("x-sum", "4")]);
    expected.append("x-sum", http::HeaderValue::from_static("5"));
    assert_eq!(heard.recv().unwrap(), Some(expected));
    drop(client);
    recorder.drain();
    let exchange = store.exchanges().remove(0);
    let sent = vec![(&b"x-sum"[..], &b"4"[..]), (b"x-sum", b"5"), (b"transfer-encoding", b"chunked")];
    assert_eq!(recorded(&exchange), [sent, vec![(b"x-end", b"2")]]);
}
