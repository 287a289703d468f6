//! Who the client is, where a load balancer says so: by the PROXY protocol, or by `X-Forwarded-For`.

use umbra_tests::frames::{FrameClient, PREFACE, block, frame, get, kind, settings};
use umbra_tests::origin::Origin;
use umbra_tests::recorder::TestRecorder;
use umbra_tests::stores::TestStore;
use umbra_tests::wire::RawClient;

use super::{GET, counted, ended};

const V1: &str = "PROXY TCP4 192.0.2.7 10.0.0.1 4000 80\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[0x20 | command, family], &length, rest].concat()
}

/// A client at 192.0.2.7:4000.
const FOUR: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0x0f, 0xa0, 0, 80];

fn start(store: &TestStore, origin: &Origin, protocol: &str, more: &[&str]) -> TestRecorder {
    TestRecorder::start(store, &origin.url(), &[&["--proxy-protocol", protocol], more].concat())
}

/// The clients that were recorded, without the ports of real sockets.
fn recorded(store: &TestStore) -> Vec<String> {
    let local = |text: String| if text.starts_with("127.") { "local".to_owned() } else { text };
    store.exchanges().iter().map(|e| local(e.client.unwrap().to_string())).collect()
}

#[test]
fn a_header_names_the_client_that_is_recorded_and_forwarded() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = start(&store, &origin, "any", &["--header-timeout", "20s"]);
    let tlvs = [&FOUR[..], &[0x04, 0, 3, b'a', b'b', b'c', 0x02, 0, 1, b'x']].concat();
    let six = [&[0x20, 1, 0x0d, 0xb8][..], &[0; 11], &[9], &[0; 16], &[0x0f, 0xa0, 0, 80]].concat();
    let headers: [(Vec<u8>, &str); 9] = [
        (V1.into(), "192.0.2.7:4000"),
        ("PROXY TCP6 2001:db8::9 ::1 4000 80\r\n".into(), "[2001:db8::9]:4000"),
        ("PROXY UNKNOWN\r\n".into(), "local"),
        (v2(1, 0x11, &FOUR), "192.0.2.7:4000"),
        (v2(1, 0x11, &tlvs), "192.0.2.7:4000"),
        (v2(1, 0x21, &six), "[2001:db8::9]:4000"),
        (v2(1, 0x31, &[b'/'; 216]), "local"),
        (v2(0, 0x11, &FOUR), "local"),
        (v2(0, 0, &[]), "local"),
    ];
    for (header, _) in &headers {
        // In one piece with the request, and byte by byte.
        let mut client = recorder.client();
        assert_eq!(client.exchange([&header[..], GET.as_bytes()].concat()).status(), 200);
        let mut client = recorder.client();
        header.iter().for_each(|byte| client.send([*byte]));
        assert_eq!(client.exchange(GET).status(), 200);
    }
    recorder.drain();
    let named: Vec<_> = headers.iter().flat_map(|(_, named)| [*named; 2]).collect();
    assert_eq!(recorded(&store), named);
    let forwarded: Vec<_> = origin.requests().iter().map(|r| r.head.get("x-forwarded-for")).collect();
    let addresses = named.iter().map(|named| match *named {
        "192.0.2.7:4000" => "192.0.2.7",
        "local" => "127.0.0.1",
        _ => "2001:db8::9",
    });
    assert_eq!(forwarded, addresses.collect::<Vec<_>>());
}

#[test]
fn http2_may_come_behind_a_header() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = start(&store, &origin, "v2", &[]);
    let mut client = FrameClient::bare(recorder.addr());
    let headers = frame(kind::HEADERS, 5, 1, &block(&get("/", &[])));
    client.send([&v2(1, 0x11, &FOUR)[..], PREFACE, &settings(&[]), &headers].concat());
    assert_eq!(client.until(kind::HEADERS).status(), 200);
    drop(client);
    recorder.drain();
    assert_eq!(recorded(&store), ["192.0.2.7:4000"]);
}

#[test]
fn a_connection_without_the_header_that_is_wanted_is_closed_without_a_word() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let (only_v1, only_v2) = (v2(1, 0x11, &FOUR), V1.as_bytes().to_vec());
    let mut third = v2(1, 0x11, &FOUR);
    third[12] = 0x31;
    let rows: [(&str, &str, Vec<u8>); 14] = [
        ("no header", "any", GET.into()),
        ("no header, HTTP/2", "any", PREFACE.into()),
        ("TLS", "any", b"\x16\x03\x01\x02\x00\x01".to_vec()),
        ("garbage", "any", vec![0xff; 300]),
        ("another version: v2", "v1", only_v1),
        ("another version: v1", "v2", only_v2),
        ("a line without an end", "any", format!("PROXY TCP4 {}", "1".repeat(500)).into()),
        ("a line with a bad address", "any", format!("PROXY TCP4 192.0.2.700 10.0.0.1 1 2\r\n{GET}").into()),
        ("a line that ends in LF", "any", format!("PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n{GET}").into()),
        ("an oversized header", "any", v2(1, 0x11, &[0; 5000])),
        ("addresses that are cut off", "any", [&v2(1, 0x11, &FOUR[..8])[..], GET.as_bytes()].concat()),
        ("an unknown command", "any", v2(7, 0x11, &FOUR)),
        ("an unknown family", "any", v2(1, 0x71, &FOUR)),
        ("a version to come", "any", third),
    ];
    for protocol in ["any", "v1", "v2"] {
        let recorder = start(&store, &origin, protocol, &[]);
        let rows: Vec<_> = rows.iter().filter(|(_, of, _)| *of == protocol).collect();
        for (at, (name, _, bytes)) in rows.iter().enumerate() {
            let mut client = recorder.client();
            let _ = client.try_send(bytes);
            assert!(client.is_closed_by_peer(), "{name}: there was an answer");
            counted(&recorder, &ended("proxy_header"), at as u64 + 1);
        }
        assert_eq!(recorder.drain().to_string(), "seen 0 = 0");
    }
    assert_eq!(origin.begun(), 0);
}

#[test]
fn half_a_header_is_waited_for_so_long() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = start(&store, &origin, "any", &["--header-timeout", "300ms"]);
    let halves: [&[u8]; 4] = [b"", b"PROXY TCP4 192.0.2.7 10", &SIGNATURE[..7], &v2(1, 0x11, &FOUR)[..20]];
    let mut clients = halves.map(|half| {
        let mut client = recorder.client();
        client.send(half);
        client
    });
    assert!(clients.iter_mut().all(RawClient::is_closed_by_peer));
    counted(&recorder, &ended("proxy_header"), 4);
    // One that leaves in the middle is no different.
    let mut client = recorder.client();
    client.send(halves[1]);
    client.finish_sending();
    assert!(client.is_closed_by_peer());
    counted(&recorder, &ended("proxy_header"), 5);
    recorder.drain();
}

#[test]
fn what_trusted_proxies_forward_is_believed_and_nobody_else() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let trust = ["--trust-forwarded-for", "127.0.0.0/8,10.0.0.0/8"];
    let recorder = TestRecorder::start(&store, &origin.url(), &trust);
    let rows = [
        ("198.51.100.1, 192.0.2.7, 10.1.1.1", "192.0.2.7:0"),
        ("192.0.2.7, unknown, 10.1.1.1", "10.1.1.1:0"),
        ("[2001:db8::9]:4000", "[2001:db8::9]:4000"),
        ("not an address", "local"),
    ];
    let mut client = recorder.client();
    for (field, _) in rows {
        let request = format!("GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: {field}\r\n\r\n");
        assert_eq!(client.exchange(request).status(), 200);
    }
    drop(client);
    let mut http2 = FrameClient::connect(recorder.addr());
    http2.send(frame(kind::HEADERS, 5, 1, &block(&get("/", &[("x-forwarded-for", "192.0.2.8, 10.1.1.1")]))));
    assert_eq!(http2.until(kind::HEADERS).status(), 200);
    drop(http2);
    recorder.drain();
    let mut named: Vec<_> = rows.iter().map(|(_, named)| *named).collect();
    named.push("192.0.2.8:0");
    assert_eq!(recorded(&store), named);
    // The origin gets what came, and who it came from.
    assert_eq!(origin.requests()[0].head.get("x-forwarded-for"), "198.51.100.1, 192.0.2.7, 10.1.1.1, 127.0.0.1");

    let store = TestStore::sqlite();
    let recorder = TestRecorder::start(&store, &origin.url(), &["--trust-forwarded-for", "10.0.0.0/8"]);
    let request = "GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 192.0.2.7\r\n\r\n";
    assert_eq!(recorder.client().exchange(request).status(), 200);
    recorder.drain();
    assert_eq!(recorded(&store), ["local"]);
}

#[test]
fn sampling_by_client_goes_by_the_client_that_is_believed() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let flags = ["--trust-forwarded-for", "127.0.0.1", "--sample-by", "client"];
    let recorder = TestRecorder::start(&store, &origin.url(), &flags);
    let mut client = recorder.client();
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.1"] {
        let request = format!("GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: {address}\r\n\r\n");
        assert_eq!(client.exchange(request).status(), 200);
    }
    drop(client);
    recorder.drain();
    let sessions: Vec<_> = store.exchanges().iter().map(|e| e.session.clone()).collect();
    assert_eq!(sessions[0], sessions[2]);
    assert_ne!(sessions[0], sessions[1]);
}
