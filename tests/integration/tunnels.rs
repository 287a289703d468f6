//! Behind an upgrade or an extended CONNECT both sides speak as if nothing were between them; the record is the handshake.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use umbra_common::exchange::{Ending, Exchange, HttpVersion};
use umbra_tests::origin::{Answer, Origin};
use umbra_tests::process::Process;
use umbra_tests::recorder::TestRecorder;
use umbra_tests::replayer::replay;
use umbra_tests::stores::TestStore;
use umbra_tests::tunnels::{ConnectOrigin, WebSocketOrigin, block_on, connect, connect_once_offered, websocket};
use umbra_tests::wait::eventually;
use umbra_tests::wire::RawClient;

/// The one exchange that is left when the recorder is drained.
fn only(recorder: TestRecorder, store: &TestStore) -> Exchange {
    recorder.drain();
    let mut tunnels: Vec<_> = store.exchanges().into_iter().filter(|e| &e.request.target[..] != b"/first").collect();
    assert_eq!(tunnels.len(), 1, "{tunnels:?}");
    tunnels.remove(0)
}

#[test]
fn a_websocket_passes_messages_pings_and_goodbyes() {
    let (origin, store) = (WebSocketOrigin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    block_on(async {
        let mut socket = websocket(recorder.addr(), "/chat?room=1").await;
        let large = Bytes::from(vec![7; 1 << 20]);
        for message in
            [Message::text("hello"), Message::binary(&b"\0\xff"[..]), Message::Binary(large), Message::text("")]
        {
            socket.send(message.clone()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), message);
        }
        socket.send(Message::Ping("p".into())).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong("p".into()));
        let goodbye = CloseFrame { code: CloseCode::Library(4321), reason: "enough".into() };
        socket.close(Some(goodbye.clone())).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::Close(Some(goodbye)));
        assert!(socket.next().await.is_none());
    });
    eventually("the goodbye at the origin", || origin.goodbyes().len() == 1);
    assert_eq!(origin.goodbyes()[0].as_ref().map(|g| u16::from(g.code)), Some(4321));
    let handshake = &origin.handshakes()[0];
    for (name, value) in
        [("connection", "upgrade"), ("upgrade", "websocket"), ("x-tenant", "blue"), ("via", "1.1 umbra")]
    {
        assert_eq!(handshake[name], value);
    }
    let exchange = only(recorder, &store);
    assert_eq!((&exchange.request.method[..], &exchange.request.target[..]), (&b"GET"[..], &b"/chat?room=1"[..]));
    assert_eq!((exchange.ending, exchange.request.body.length), (Ending::Complete, 0));
    let response = exchange.response.unwrap();
    assert_eq!((response.status, response.body.length), (101, 0));
    assert_eq!(response.headers.get("sec-websocket-protocol"), Some(&b"chat"[..]));
    // No client can send a handshake again and make sense of what follows.
    let staging = Origin::start();
    let report = replay(&store, &["--target", &format!("staging={}", staging.url()), "--rate", "max"]);
    assert_eq!((report.targets[0].ledger.seen, staging.begun()), (1, 0), "{}", report.targets[0].ledger);
}

#[test]
fn many_websockets_at_once_are_kept_apart() {
    let (origin, store) = (WebSocketOrigin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    block_on(async {
        let mut sockets = Vec::new();
        for n in 0..50 {
            sockets.push(websocket(recorder.addr(), &format!("/{n}")).await);
        }
        for round in 0..4 {
            for (n, socket) in sockets.iter_mut().enumerate() {
                socket.send(Message::text(format!("{n} {round}"))).await.unwrap();
            }
            for (n, socket) in sockets.iter_mut().enumerate() {
                assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(format!("{n} {round}")));
            }
        }
        assert!(recorder.admin("/metrics").text().contains("umbra_recorder_tunnels_open 50\n"));
        for mut socket in sockets {
            socket.close(None).await.unwrap();
            while socket.next().await.is_some() {}
        }
    });
    assert_eq!(recorder.drain().to_string(), "seen 50 = recorded 50");
}

#[test]
fn a_websocket_over_http2_becomes_an_upgrade_at_an_origin_that_speaks_http1() {
    let (origin, store) = (WebSocketOrigin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    block_on(async {
        // The origin takes nothing but handshakes: the first request, which is none, fails there.
        let tunnel = connect(recorder.addr(), "websocket", "/chat?room=2").await.expect("extended CONNECT is offered");
        assert_eq!(tunnel.response.status(), 200);
        for absent in ["sec-websocket-accept", "upgrade", "connection"] {
            assert!(!tunnel.response.headers().contains_key(absent), "{:?}", tunnel.response);
        }
        let mut socket = WebSocketStream::from_raw_socket(tunnel.into_stream(), Role::Client, None).await;
        for message in [Message::text("hello"), Message::binary(vec![9; 300_000])] {
            socket.send(message.clone()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), message);
        }
        socket.close(None).await.unwrap();
        while socket.next().await.is_some() {}
    });
    let handshake = origin.handshakes().remove(0);
    for (name, value) in
        [("connection", "upgrade"), ("upgrade", "websocket"), ("host", "api.example.com"), ("via", "2 umbra")]
    {
        assert_eq!(handshake[name], value);
    }
    assert_eq!(handshake["sec-websocket-key"].len(), 24);
    let exchange = only(recorder, &store);
    assert_eq!((&exchange.request.method[..], &exchange.request.target[..]), (&b"CONNECT"[..], &b"/chat?room=2"[..]));
    assert_eq!((exchange.request.version, exchange.ending), (HttpVersion::Http2, Ending::Complete));
    assert_eq!(exchange.request.headers.get(":protocol"), Some(&b"websocket"[..]));
    assert_eq!(exchange.response.unwrap().status, 101);
}

#[test]
fn extended_connect_passes_to_an_origin_that_takes_it() {
    let (origin, store) = (ConnectOrigin::start(true), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    block_on(async {
        // The origin's settings are known from its first connection on.
        let mut tunnel = connect_once_offered(recorder.addr(), "connect-udp", "/udp").await;
        assert_eq!(tunnel.response.status(), 200);
        tunnel.send("ping");
        assert_eq!(tunnel.read(4).await, b"PING");
        tunnel.send(vec![b'a'; 200_000]);
        assert!(tunnel.read(200_000).await.iter().all(|b| *b == b'A'));
        tunnel.finish();
        assert_eq!(tunnel.read(100).await, b"bye");
    });
    let seen = origin.requests();
    let tunnel = seen.iter().find(|r| r.uri().path() == "/udp").unwrap();
    assert_eq!(tunnel.extensions().get::<h2::ext::Protocol>().map(h2::ext::Protocol::as_str), Some("connect-udp"));
    assert_eq!(
        (tunnel.uri().authority().unwrap().as_str(), &tunnel.headers()["x-tenant"]),
        ("api.example.com", &"blue".parse().unwrap())
    );
    recorder.drain();
    let exchanges = store.exchanges();
    let tunnel = exchanges.iter().find(|e| &e.request.target[..] == b"/udp").unwrap();
    assert_eq!((&tunnel.request.method[..], tunnel.ending), (&b"CONNECT"[..], Ending::Complete));
    assert_eq!(tunnel.response.as_ref().unwrap().status, 200);
}

#[test]
fn time_limits_of_requests_end_no_tunnel() {
    let (origin, store) = (ConnectOrigin::start(true), TestStore::sqlite());
    let limits = ["--idle-timeout", "300ms", "--body-timeout", "300ms", "--stream-timeout", "300ms"];
    let recorder = TestRecorder::start(&store, &origin.url(), &limits);
    let mut upgraded = recorder.client();
    upgraded
        .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n\r\n");
    assert_eq!(upgraded.head().status(), 101);
    block_on(async {
        let mut tunnel = connect_once_offered(recorder.addr(), "websocket", "/").await;
        // Connections without a tunnel are closed meanwhile, one after the other.
        tokio::task::spawn_blocking({
            let addr = recorder.addr();
            move || {
                for _ in 0..3 {
                    let mut idle = RawClient::connect(addr);
                    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                    assert_eq!(idle.response().status(), 200);
                    assert!(idle.is_closed_by_peer());
                }
            }
        })
        .await
        .unwrap();
        tunnel.send("still there");
        assert_eq!(tunnel.read(11).await, b"STILL THERE");
    });
    upgraded.send("still there");
    assert_eq!(upgraded.bytes(), b"STILL THERE");
    drop(upgraded);
    recorder.drain();
}

#[test]
fn a_websocket_over_http1_becomes_extended_connect_at_an_origin_that_speaks_http2() {
    let (origin, store) = (ConnectOrigin::start(true), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    let mut client = recorder.client();
    let ask = "GET /chat HTTP/1.1\r\nHost: api.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    client.send(ask);
    let head = client.head();
    // The key and its answer are those of RFC 6455, 1.3.
    assert_eq!((head.status(), head.get("sec-websocket-accept").as_str()), (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    client.send("shout");
    assert_eq!(client.bytes(), b"SHOUT");
    client.finish_sending();
    assert_eq!(client.bytes(), b"bye");
    assert!(client.is_closed_by_peer());
    let request = origin.requests().remove(0);
    assert_eq!((request.method().as_str(), request.uri().path()), ("CONNECT", "/chat"));
    assert!(!request.headers().contains_key("sec-websocket-key") && !request.headers().contains_key("upgrade"));
    assert_eq!(only(recorder, &store).response.unwrap().status, 200);
}

#[test]
fn a_tunnel_that_the_origin_does_not_take_is_a_501_and_counted() {
    let (origin, store) = (ConnectOrigin::start(false), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    // Its settings do not say so: nothing is offered.
    for _ in 0..3 {
        assert!(block_on(connect(recorder.addr(), "websocket", "/")).is_none());
    }
    let mut client = recorder.client();
    for upgrade in ["websocket", "raw/1"] {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: {upgrade}\r\n\r\n");
        assert_eq!(client.exchange(head).status(), 501);
    }
    let metrics = recorder.admin("/metrics").text();
    assert!(metrics.contains("upstream_failures_total{kind=\"no_tunnel\"} 2\n"), "{metrics}");
    assert_eq!(recorder.drain().to_string(), "seen 5 = recorded 5");
}

#[test]
fn a_plain_connect_is_refused_and_so_is_one_for_http() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    for protocol in ["h2c", "TLS/1.2", "connect-udp"] {
        let refused = block_on(connect(recorder.addr(), protocol, "/x")).unwrap();
        let status = if protocol == "connect-udp" { 501 } else { 405 };
        assert_eq!(refused.response.status(), status, "{protocol}");
    }
    // Answered by an ordinary response, which must not be taken for a tunnel.
    let answered = block_on(connect(recorder.addr(), "websocket", "/x")).unwrap();
    assert_eq!(answered.response.status(), 502);
    assert_eq!(origin.requests().iter().filter(|r| r.head.target() == b"/x").count(), 1);
    assert_eq!(recorder.drain().to_string(), "seen 8 = recorded 6 + skipped{refused} 2");
}

#[test]
fn curl_shows_early_hints_that_come_before_the_answer() {
    let origin = Origin::with(|_| {
        Answer::unread()
            .read_body()
            .send("HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n")
            .then(Answer::ok("body\n"))
    });
    let store = TestStore::sqlite();
    let recorder = TestRecorder::start(&store, &origin.url(), &[]);
    let url = format!("{}/page", recorder.url());
    // Where it is missing: apt-get install curl.
    let arguments = ["--silent", "--show-error", "--include", "--max-time", "20", &url, &url];
    let shown = Process::start("curl", &arguments, &[]).finish();
    assert_eq!(shown.status, Some(0), "{shown:?}");
    let lines: Vec<_> = shown.stdout.lines().filter(|l| l.starts_with("HTTP/") || l.starts_with("link")).collect();
    let once = ["HTTP/1.1 103 Early Hints", "link: </a.css>; rel=preload", "HTTP/1.1 200 Answer"];
    assert_eq!(lines, [once, once].concat(), "{}", shown.stdout);
    assert!(shown.stdout.ends_with("body\n"));
    recorder.drain();
}
