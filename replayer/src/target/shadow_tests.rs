//! What a recorded request looks like when it goes out again.

use std::time::Duration;

use bytes::Bytes;
use http_body::Body as _;
use umbra_common::exchange::{Body, Exchange, HttpVersion};

use super::*;
use crate::change::{Changes, Rule};
use crate::testing;

fn preparer(edit: impl FnOnce(&mut Sending)) -> Preparer {
    let target: Target = "v2=http://127.0.0.1:81".parse().unwrap();
    let mut sending = Sending::to(vec![target.clone()]);
    // Without the word for who recorded, which has a test of its own.
    sending.allow_production_target = true;
    edit(&mut sending);
    Preparer::new(target, sending)
}

fn with_headers(headers: &[(&str, &[u8])]) -> Exchange {
    let mut exchange = testing::exchange("/a", Duration::ZERO);
    exchange.request.headers = headers.iter().copied().collect();
    exchange
}

fn plain(exchange: Exchange) -> ShadowRequest {
    preparer(|_| {}).prepare(exchange).unwrap()
}

fn fields(shadow: &ShadowRequest) -> Vec<(&str, &[u8])> {
    shadow.request.headers().iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect()
}

#[test]
fn fields_keep_their_order_and_their_bytes() {
    let shadow =
        plain(with_headers(&[("x-b", b"1"), ("host", b"api.example.com"), ("x-a", b"\xff\x80"), ("x-c", b"")]));
    assert_eq!(
        fields(&shadow),
        [
            ("x-b", &b"1"[..]),
            ("host", b"api.example.com-shadow"),
            ("x-a", b"\xff\x80"),
            ("x-c", b""),
            ("umbra-shadow", b"v2")
        ]
    );
}

#[test]
fn duplicates_stay_apart() {
    let shadow = plain(with_headers(&[("host", b"h"), ("x-a", b"1"), ("x-a", b"2")]));
    let values: Vec<_> = shadow.request.headers().get_all("x-a").iter().collect();
    assert_eq!(values, ["1", "2"]);
}

#[test]
fn who_recorded_a_request_is_said_unless_production_is_meant() {
    let said = |allowed: bool| {
        let shadow = preparer(|s| s.allow_production_target = allowed).prepare(with_headers(&[])).unwrap();
        shadow.request.headers().get("umbra-recorded-by").map(|word| word.to_str().unwrap().to_owned())
    };
    let exchange = with_headers(&[]);
    let word = umbra_common::provenance::word(&exchange.recorder, &exchange.upstream);
    assert_eq!((said(false), said(true)), (Some(word), None));
}

#[test]
fn what_belongs_to_one_connection_is_left_out() {
    let shadow = plain(with_headers(&[
        ("host", b"h"),
        ("connection", b"keep-alive, X-Hop, host"),
        ("keep-alive", b"timeout=5"),
        ("x-hop", b"1"),
        ("te", b"trailers"),
        ("transfer-encoding", b"chunked"),
        ("expect", b"100-continue"),
        ("umbra-shadow", b"forged"),
        ("proxy-authorization", b"***"),
    ]));
    let names: Vec<_> = fields(&shadow).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["host", "proxy-authorization", "umbra-shadow"]);
    assert_eq!(shadow.request.headers()[MARKER], "v2");
}

#[test]
fn the_length_follows_from_the_body() {
    let mut exchange = with_headers(&[("host", b"h"), ("content-length", b"999")]);
    exchange.request.body = Body::whole(&b"hello"[..]);
    assert_eq!(plain(exchange).request.headers()["content-length"], "5");
    assert!(!plain(with_headers(&[("host", b"h")])).request.headers().contains_key("content-length"));
    let mut chunked = with_headers(&[("host", b"h"), ("transfer-encoding", b"chunked"), ("trailer", b"x-end")]);
    chunked.request.body = Body::whole(&b"hello"[..]);
    chunked.request.trailers = [("x-end", "1")].into_iter().collect();
    let shadow = plain(chunked);
    assert_eq!(shadow.request.headers()["transfer-encoding"], "chunked");
    assert_eq!(shadow.request.headers()["trailer"], "x-end");
    assert!(!shadow.request.headers().contains_key("content-length"));
    assert_eq!(shadow.request.body().size_hint().exact(), None);
}

#[test]
fn every_form_of_target_becomes_one_that_an_origin_takes() {
    for (target, method, path) in [
        ("/a?b#c", "GET", None),
        ("/a/../b?x={1}", "GET", Some("/a/../b?x={1}")),
        ("http://api.example.com/a?b", "GET", Some("/a?b")),
        ("http://api.example.com", "GET", Some("/")),
        ("http://api.example.com?q", "GET", Some("/?q")),
        ("http://api.example.com", "OPTIONS", Some("*")),
        ("*", "OPTIONS", Some("*")),
        ("/proxy?u=http://x/y", "GET", Some("/proxy?u=http://x/y")),
    ] {
        let mut exchange = testing::exchange(target, Duration::ZERO);
        exchange.request.method = Bytes::copy_from_slice(method.as_bytes());
        let shadow = preparer(|_| {}).prepare(exchange);
        let uri = shadow.ok().map(|s| s.request.uri().to_string());
        if let Some(path) = path {
            assert_eq!(uri.as_deref(), Some(path), "{target}");
        }
    }
}

#[test]
fn http2_has_the_shadow_host_as_its_authority() {
    let mut exchange = with_headers(&[("accept", b"*/*"), ("te", b"trailers"), ("connection", b"x")]);
    exchange.request.version = HttpVersion::Http2;
    exchange.request.authority = Bytes::from_static(b"api.example.com:8443");
    let shadow = plain(exchange.clone());
    assert_eq!(shadow.protocol, Protocol::H2);
    assert_eq!(shadow.request.uri().to_string(), "http://api.example.com-shadow:8443/a");
    let names: Vec<_> = fields(&shadow).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["accept", "te", "umbra-shadow"]);
    let h1 = preparer(|s| s.protocol = "h1".parse().unwrap()).prepare(exchange).unwrap();
    assert_eq!(h1.protocol, Protocol::H1);
    assert_eq!(fields(&h1)[0], ("host", &b"api.example.com-shadow:8443"[..]));
    assert_eq!(h1.request.uri(), "/a");
}

#[test]
fn an_ipv6_authority_gets_its_suffix_too() {
    let mut exchange = with_headers(&[]);
    exchange.request.authority = Bytes::from_static(b"[::1]:80");
    assert_eq!(fields(&plain(exchange.clone()))[0], ("host", &b"[::1]-shadow:80"[..]));
    exchange.request.version = HttpVersion::Http2;
    assert_eq!(plain(exchange.clone()).request.uri().to_string(), "http://[::1]-shadow:80/a");
    exchange.request.authority = Bytes::from_static(b"a b");
    assert_eq!(preparer(|_| {}).prepare(exchange).unwrap_err(), Unsendable::Invalid("host"));
}

#[test]
fn edits_are_applied() {
    let prepared = preparer(|s| {
        s.changes = Changes::new(vec![
            Rule::SetHeader("x-env:staging".parse().unwrap()),
            Rule::SetHeader("x-new:1".parse().unwrap()),
            Rule::RemoveHeader("x-secret".parse().unwrap()),
            Rule::RewritePath("/a=/b".parse().unwrap()),
            Rule::RewritePath("/b=/c".parse().unwrap()),
        ]);
        s.host = "target".parse().unwrap();
    });
    let exchange = with_headers(&[("x-env", b"a"), ("host", b"h"), ("x-env", b"b"), ("x-secret", b"s"), ("x-z", b"")]);
    let shadow = prepared.prepare(exchange).unwrap();
    assert_eq!(shadow.request.uri(), "/b");
    assert_eq!(shadow.request.headers()["host"], "127.0.0.1:81");
    let values: Vec<_> = shadow.request.headers().get_all("x-env").iter().collect();
    assert_eq!(values, ["staging"]);
    assert_eq!(shadow.request.headers()["x-new"], "1");
    assert!(!shadow.request.headers().contains_key("x-secret"));
    assert_eq!(prepared.tally().report().iter().map(|r| r.changed).collect::<Vec<_>>(), [1, 1, 1, 1, 0]);
}

#[test]
fn what_no_client_can_send_is_refused() {
    let upgrade = with_headers(&[("host", b"h"), ("connection", b"keep-alive, Upgrade"), ("upgrade", b"websocket")]);
    assert_eq!(preparer(|_| {}).prepare(upgrade).unwrap_err(), Unsendable::Upgrade);
    let h2c = with_headers(&[
        ("host", b"h"),
        ("connection", b"Upgrade, HTTP2-Settings"),
        ("upgrade", b"h2c"),
        ("http2-settings", b"A"),
    ]);
    assert_eq!(fields(&plain(h2c)).len(), 2);
    let mut offered = with_headers(&[("host", b"h"), ("connection", b"upgrade"), ("upgrade", b"TLS/1.2, raw/1")]);
    assert_eq!(fields(&plain(offered.clone())).len(), 2);
    offered.response.as_mut().unwrap().status = 101;
    assert_eq!(preparer(|_| {}).prepare(offered).unwrap_err(), Unsendable::Upgrade);
    let mut connect = with_headers(&[]);
    connect.request.method = Bytes::from_static(b"CONNECT");
    assert_eq!(preparer(|_| {}).prepare(connect).unwrap_err(), Unsendable::Upgrade);
    let mut method = with_headers(&[]);
    method.request.method = Bytes::from_static(b"GE T");
    assert_eq!(preparer(|_| {}).prepare(method).unwrap_err(), Unsendable::Invalid("method"));
    let control = with_headers(&[("x-a", b"\x01")]);
    assert_eq!(preparer(|_| {}).prepare(control).unwrap_err(), Unsendable::Invalid("header value"));
}

#[test]
fn an_odd_target_is_percent_encoded_and_leaves() {
    for (recorded, sent) in [
        (&b"/q?f={\"a\":1}&x=<b>"[..], "/q?f={%22a%22:1}&x=%3Cb%3E"),
        (b"/caf\xc3\xa9/%7E", "/caf%C3%A9/%7E"),
        (b"*", "*"),
    ] {
        let mut exchange = with_headers(&[]);
        exchange.request.target = Bytes::copy_from_slice(recorded);
        assert_eq!(plain(exchange).request.uri().path_and_query().unwrap(), sent);
    }
    let mut broken = with_headers(&[]);
    broken.request.target = Bytes::from_static(b"/a b");
    assert_eq!(preparer(|_| {}).prepare(broken).unwrap_err(), Unsendable::Invalid("target"));
}

#[test]
fn the_recorded_answer_is_kept_for_comparison() {
    let mut exchange = with_headers(&[]);
    exchange.response.as_mut().unwrap().trailers = [("grpc-status", "14")].into_iter().collect();
    let none = Recorded::of(exchange.id);
    let known = Recorded { status: Some(200), grpc: Some(14), took: Some(exchange.total), ..none.clone() };
    assert_eq!(plain(exchange.clone()).recorded, known);
    exchange.response = None;
    assert_eq!(plain(exchange).recorded, none);
    assert_eq!(grpc_status(b"none"), Some(2));
}
