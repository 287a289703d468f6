//! The whole path with 20,000 requests of all kinds: what a second server receives is what was sent, once each.

use bytes::Bytes;
use http::{HeaderMap, Request};
use umbra_tests::http2::Http2Client;
use umbra_tests::receiver::{Counted, Multiset, Receiver, assert_same};
use umbra_tests::recorder::TestRecorder;
use umbra_tests::replayer::replay;
use umbra_tests::stores::TestStore;
use umbra_tests::wire::RawClient;

use crate::both_stores::on_both_stores;

const REQUESTS: usize = 20_000;
/// HTTP/1.1 connections; one more speaks HTTP/2.
const CLIENTS: usize = 3;

/// What one request is: decided by its number, so that sender and receiver need not talk.
struct Kind {
    method: &'static str,
    target: String,
    body: Vec<u8>,
    chunked: bool,
}

fn kind(i: usize) -> Kind {
    // Every tenth request is the same as others: the receiver must get it as often as it was sent.
    let n = if i.is_multiple_of(10) { 0 } else { i };
    let body: Vec<u8> = (0..n * 7 % 3000).map(|b| u8::try_from((b * 31 + n) % 256).unwrap()).collect();
    let with = |method, target, body, chunked| Kind { method, target, body, chunked };
    match i % 6 {
        0 => with("GET", format!("/items/{n}?q=%C3%A9&page={}", n % 7), Vec::new(), false),
        1 => with("POST", format!("/orders/{n}"), body, false),
        2 => with("PUT", format!("/chunks/{n}"), body, true),
        3 => with("DELETE", format!("/items/{n}"), Vec::new(), false),
        4 => with("HEAD", format!("/items/{n}"), Vec::new(), false),
        _ => with("PATCH", format!("/json/{n}"), format!("{{\"n\": {n}}}").into_bytes(), false),
    }
}

fn host(i: usize) -> String {
    format!("s{}.example.com", i % 3)
}

/// Sends every `CLIENTS + 1`-th request, from `first`, by HTTP/1.1.
fn send_http1(mut client: RawClient, first: usize) {
    for i in (first..REQUESTS).step_by(CLIENTS + 1) {
        let Kind { method, target, body, chunked } = kind(i);
        let mut request = format!("{method} {target} HTTP/1.1\r\nhost: {}\r\n", host(i)).into_bytes();
        match (chunked, body.is_empty()) {
            (true, _) => {
                request.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
                for chunk in body.chunks(700) {
                    request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    request.extend_from_slice(chunk);
                    request.extend_from_slice(b"\r\n");
                }
                request.extend_from_slice(b"0\r\n\r\n");
            }
            (false, true) => request.extend_from_slice(b"\r\n"),
            (false, false) => {
                request.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
                request.extend_from_slice(&body);
            }
        }
        assert_eq!(client.exchange(request).status(), 200, "request {i}");
    }
}

/// The same by HTTP/2; the requests with a body are gRPC calls.
fn send_http2(mut client: Http2Client, first: usize) {
    for i in (first..REQUESTS).step_by(CLIENTS + 1) {
        let Kind { method, target, body, .. } = kind(i);
        let mut request = Request::builder().method(method).uri(format!("http://{}{target}", host(i)));
        if method == "POST" {
            request = request.header("content-type", "application/grpc").header("te", "trailers");
        }
        let response = client.try_exchange(request.body(Bytes::from(body)).unwrap(), HeaderMap::new()).unwrap();
        assert_eq!(response.head.status(), 200, "request {i}");
    }
}

/// What was sent, with the host as a receiver sees it.
fn sent(host_seen: impl Fn(String) -> String) -> Multiset {
    let mut all = Multiset::new();
    for i in 0..REQUESTS {
        let Kind { method, target, body, .. } = kind(i);
        *all.entry(Counted::new(method, &target, &body, &host_seen(host(i)))).or_default() += 1;
    }
    all
}

on_both_stores! {
    fn requests_of_all_kinds_arrive_once_each(store: &TestStore) {
        let production = Receiver::start();
        let recorder = TestRecorder::start(store, &production.url(), &["--sample", "100%"]);
        std::thread::scope(|scope| {
            for first in 0..CLIENTS {
                let client = recorder.client();
                scope.spawn(move || send_http1(client, first));
            }
            let client = Http2Client::connect(recorder.addr());
            scope.spawn(move || send_http2(client, CLIENTS));
        });

        let ledger = recorder.drain();
        assert_eq!(ledger.to_string(), format!("seen {REQUESTS} = recorded {REQUESTS}"));
        assert_same(&sent(|host| host), &production.multiset());

        let staging = Receiver::start();
        let target = format!("staging={}", staging.url());
        let report = replay(store, &["--target", &target, "--rate", "max"]);

        let ledger = report.targets[0].ledger.to_string();
        assert_eq!(ledger, format!("seen {REQUESTS} = answered {REQUESTS}"));
        assert_same(&sent(|host| format!("{host}-shadow")), &staging.multiset());
        assert_eq!(staging.http2_count(), REQUESTS / (CLIENTS + 1), "what came by HTTP/2 goes by HTTP/2");
    }
}
