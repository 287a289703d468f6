//! A secret in every place that a request or a response has: none of them is in the store's bytes, and what stands beside
//! them is.

use std::io::{Read, Write};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use umbra_common::exchange::{Body, Exchange, Fields};
use umbra_common::store::StoreUrl;
use umbra_tests::http2::Http2Client;
use umbra_tests::origin::{Answer, Origin};
use umbra_tests::receiver::Receiver;
use umbra_tests::recorder::TestRecorder;
use umbra_tests::stores::TestStore;
use umbra_tests::wire::Head;

use crate::both_stores::on_both_stores;

/// Every secret begins so, and every neighbour so; no other text does.
const SECRET: &str = "s3cr3t-";
const NEIGHBOUR: &str = "n3xt-";

const RULES: &str = r#"
redact-client = "truncate"
[[redact]]
headers = ["x-own", "x-trailer"]
cookies = ["sid"]
query = ["token"]
path = ["^/users/([^/]+)"]
json = ["/user/*/password", "/**/pin"]
form = ["password"]
multipart = ["password"]
text = ['card=(\S+)']
[[redact]]
action = "hash"
headers = "x-hashed"
json = "/email"
[[redact]]
action = "drop"
headers = "x-dropped"
query = "dropped"
form = "dropped"
multipart = "dropped"
cookies = "dropped"
"#;

/// `s3cr3t-` and `n3xt-` with the place that they stand in.
fn body(place: &str) -> String {
    format!(
        "{{ \"user\": [{{\"password\":\"s3cr3t-{place}-1\",\"n\":\"n3xt-{place}-1\"}}], \"a\":{{\"pin\":\"s3cr3t-{place}-2\"}},\
         \"email\":\"s3cr3t-{place}-3\" ,\"n3xt-{place}-2\":1}}"
    )
}

fn post(path: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\n{fields}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn encoded(coding: &str, text: &str) -> Vec<u8> {
    let (mut out, bytes) = (Vec::new(), text.as_bytes());
    match coding {
        "gzip" => flate2::write::GzEncoder::new(&mut out, flate2::Compression::best()).write_all(bytes).unwrap(),
        "deflate" => flate2::write::ZlibEncoder::new(&mut out, flate2::Compression::best()).write_all(bytes).unwrap(),
        "br" => drop(brotli::CompressorReader::new(bytes, 4096, 9, 20).read_to_end(&mut out).unwrap()),
        "zstd" => out = zstd::encode_all(bytes, 3).unwrap(),
        other => panic!("{other}"),
    }
    out
}

/// What a recorded body says.
fn decoded(headers: &Fields, body: &Body) -> Vec<u8> {
    let (mut out, bytes) = (Vec::new(), &body.bytes[..]);
    match headers.get("content-encoding").map(|coding| String::from_utf8_lossy(coding).into_owned()).as_deref() {
        Some(_) if bytes.is_empty() => {}
        Some("gzip") => drop(flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).unwrap()),
        Some("deflate") => drop(flate2::read::ZlibDecoder::new(bytes).read_to_end(&mut out).unwrap()),
        Some("br") => drop(brotli::Decompressor::new(bytes, 4096).read_to_end(&mut out).unwrap()),
        Some("zstd") => out = zstd::decode_all(bytes).unwrap(),
        _ => out = bytes.to_vec(),
    }
    out
}

const CODINGS: [&str; 4] = ["gzip", "deflate", "br", "zstd"];

fn requests() -> Vec<Vec<u8>> {
    let json = "content-type: application/json\r\n";
    let mut all = vec![
        b"GET /users/s3cr3t-path/n3xt-path?token=s3cr3t-query&a=n3xt-query&dropped=s3cr3t-dropped HTTP/1.1\r\nhost: a\r\n\
          authorization: Bearer s3cr3t-bearer\r\nproxy-authorization: Basic s3cr3t-basic\r\nx-api-key: s3cr3t-api\r\n\
          x-own: s3cr3t-own\r\nX-OWN: s3cr3t-own-2\r\nx-hashed: s3cr3t-hashed\r\nx-dropped: s3cr3t-gone\r\nx-plain: n3xt-header\r\n\
          cookie: a=n3xt-cookie; sid=s3cr3t-cookie; dropped=s3cr3t-cookie-2; b=n3xt-cookie-2\r\n\
          cookie: sid=\"s3cr3t-cookie-3; s3cr3t-cookie-4\"; c=n3xt-cookie-3\r\n\
          referer: https://u:s3cr3t-user@b/users/s3cr3t-referer/x?token=s3cr3t-referer-2&b=n3xt-referer#token=s3cr3t-fragment\r\n\
          x-forwarded-for: 203.0.113.77\r\nforwarded: for=s3cr3t-forwarded\r\n\r\n"
            .to_vec(),
        b"GET http://u:s3cr3t-absolute@a/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".to_vec(),
        b"GET http://a/users/s3cr3t-absolute-2/n3xt-absolute?token=s3cr3t-absolute-3 HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
        post("/json", json, body("json").as_bytes()),
        post("/undeclared", "", body("undeclared").as_bytes()),
        post("/malformed", json, b"{\"password\": s3cr3t-malformed}"),
        post("/unknown", &format!("{json}content-encoding: snappy\r\n"), b"s3cr3t-unknown"),
        post("/broken", &format!("{json}content-encoding: gzip\r\n"), b"s3cr3t-broken"),
        post("/truncated", json, format!("{{\"pin\":\"s3cr3t-truncated\",\"a\":\"{}\"}}", "x".repeat(5000)).as_bytes()),
        post(
            "/form",
            "content-type: application/x-www-form-urlencoded\r\n",
            b"a=n3xt-form&p%61ssword=s3cr3t-form&dropped=s3cr3t-form-2&b=n3xt-form-2",
        ),
        post(
            "/multipart",
            "content-type: multipart/form-data; boundary=xx\r\n",
            b"--xx\r\ncontent-disposition: form-data; name=password\r\n\r\ns3cr3t-multipart\r\n\
              --xx\r\ncontent-disposition: form-data; name=\"dropped\"\r\n\r\ns3cr3t-multipart-2\r\n\
              --xx\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\nn3xt-multipart\r\n\
              --xx\r\ncontent-disposition: form-data; name=j\r\ncontent-type: application/json\r\n\r\n{\"pin\":\"s3cr3t-part\"}\r\n--xx--\r\n",
        ),
        post("/text", "content-type: text/plain\r\n", b"n3xt-text card=s3cr3t-text n3xt-text-2"),
        b"POST /trailers HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: x-trailer, x-other\r\n\r\n\
          2\r\nhi\r\n0\r\nx-trailer: s3cr3t-trailer\r\nx-other: n3xt-trailer\r\n\r\n"
            .to_vec(),
    ];
    for coding in CODINGS {
        let fields = format!("{json}content-encoding: {coding}\r\n");
        all.push(post("/coded", &fields, &encoded(coding, &body(coding))));
    }
    all
}

/// An origin whose answers have secrets too.
fn origin() -> Origin {
    Origin::with(|head: &Head| match head.target() {
        b"/trailers" => Answer::chunked(
            &[b"{\"pin\":\"s3cr3t-answer-chunk\"}"],
            &[("x-trailer", "s3cr3t-answer-trailer"), ("x-other", "n3xt-answer-trailer")],
        ),
        b"/coded" => {
            let fields = [("content-type", "application/json"), ("content-encoding", "br")];
            Answer::status(200, &fields, encoded("br", &body("answer-coded")))
        }
        _ => {
            let fields = [
                ("content-type", "application/json"),
                ("set-cookie", "sid=s3cr3t-set; Path=/n3xt-set"),
                ("set-cookie", "dropped=s3cr3t-set-2"),
                ("location", "https://u:s3cr3t-location@b/?token=s3cr3t-location-2&a=n3xt-location"),
            ];
            Answer::status(200, &fields, body("answer"))
        }
    })
}

/// Everything that the store's files, or the broker's log, hold of these records.
fn raw(store: &TestStore) -> Vec<u8> {
    let mut all = Vec::new();
    match store.config().url {
        StoreUrl::Sqlite(_) => {
            for entry in std::fs::read_dir(store.directory()).unwrap() {
                let path = entry.unwrap().path();
                if path.file_name().unwrap().to_string_lossy().starts_with("traffic.db") {
                    all.extend(std::fs::read(path).unwrap());
                }
            }
        }
        StoreUrl::Kafka(kafka) => {
            let count = store.exchanges().len();
            let consumer: BaseConsumer = ClientConfig::new()
                .set("bootstrap.servers", &kafka.brokers)
                .set("group.id", "secrets")
                .create()
                .unwrap();
            let mut partitions = TopicPartitionList::new();
            for partition in 0..i32::from(kafka.partitions.unwrap()) {
                partitions.add_partition_offset(&kafka.topic, partition, Offset::Beginning).unwrap();
            }
            consumer.assign(&partitions).unwrap();
            for _ in 0..count {
                let message = consumer.poll(Duration::from_secs(30)).expect("a message that was written").unwrap();
                all.extend(message.key().unwrap_or_default());
                all.extend(message.payload().unwrap_or_default());
                message.headers().unwrap().iter().for_each(|header| all.extend(header.value.unwrap_or_default()));
            }
        }
    }
    all
}

/// Every word of a text that begins with `prefix`.
fn words<'a>(bytes: &'a [u8], prefix: &str) -> Vec<&'a [u8]> {
    let starts = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(prefix.as_bytes()));
    starts.map(|at| bytes[at..].split(|b| !b.is_ascii_alphanumeric() && *b != b'-').next().unwrap()).collect()
}

/// What stands in an exchange's bodies, decoded.
fn bodies(exchange: &Exchange) -> Vec<u8> {
    let mut all = decoded(&exchange.request.headers, &exchange.request.body);
    if let Some(response) = &exchange.response {
        all.extend(decoded(&response.headers, &response.body));
    }
    all
}

/// Sends everything, and gives all that was sent and answered in clear, and how many requests were to be recorded.
fn record(store: &TestStore) -> (Vec<u8>, u64) {
    let (origin, rules) = (origin(), store.directory().join("rules.toml"));
    let key = store.directory().join("key");
    std::fs::write(&key, "the key of this test's hashes").unwrap();
    std::fs::write(&rules, format!("redact-key = 'file:{}'\n{RULES}", key.display())).unwrap();
    let flags = ["--rules", rules.to_str().unwrap(), "--responses", "full", "--body-limit", "4KiB"];
    let more = ["--keep-header", "cookie,set-cookie", "--trust-forwarded-for", "127.0.0.0/8"];
    let flags = [&flags[..], &more[..]].concat();
    let recorder = TestRecorder::start(store, &origin.url(), &flags);
    let mut sent = Vec::new();
    for request in requests() {
        sent.extend_from_slice(&request);
        sent.push(b'\n');
        let response = recorder.client().exchange(&request);
        assert!(response.status() == 200 || request.starts_with(b"GET http://u:"), "{}", response.status());
    }
    for coding in CODINGS {
        sent.extend(body(coding).into_bytes());
    }
    sent.extend([body("answer"), body("answer-coded")].concat().into_bytes());
    sent.extend(b"n3xt-set n3xt-location n3xt-answer-trailer");
    recorder.until("each is in the ledger", |ledger| ledger.balances());
    let metrics = recorder.admin("/metrics").text();
    for reason in ["coding", "broken", "truncated", "malformed"] {
        let line = format!("\numbra_recorder_redacted_bodies_dropped_total{{reason=\"{reason}\"}} 1\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    let ledger = recorder.drain();
    assert_eq!(ledger.reason("skipped", "refused"), 1, "user information is refused at the edge: {ledger}");
    (sent, ledger.state("recorded"))
}

on_both_stores! {
    fn no_secret_reaches_the_store_and_its_neighbours_do(store: &TestStore) {
        let (sent, recorded) = record(store);
        assert_eq!(recorded, requests().len() as u64 - 1);
        let exchanges = store.exchanges();
        let in_clear = exchanges.iter().map(bodies).collect::<Vec<_>>().concat();
        let stored = [raw(store), in_clear].concat();
        assert!(words(&sent, SECRET).len() > 50, "the search itself must find what is there");
        let leaked: Vec<_> = words(&stored, SECRET).iter().map(|word| word.escape_ascii().to_string()).collect();
        assert_eq!(leaked, Vec::<String>::new());
        for word in words(&sent, NEIGHBOUR) {
            assert!(words(&stored, NEIGHBOUR).contains(&word), "{} is not in the store", word.escape_ascii());
        }
        assert!(!stored.windows(4).any(|w| w == [203, 0, 113, 77]), "a client's address is in the store");
        assert!(exchanges.iter().any(|e| e.client.is_some_and(|c| c.to_string() == "203.0.113.0:0")));
        let dropped = ["/malformed", "/unknown", "/broken", "/truncated"];
        for exchange in &exchanges {
            let target = String::from_utf8_lossy(&exchange.request.target);
            let body = &exchange.request.body;
            assert_eq!(body.truncated, dropped.contains(&&*target), "{target}: {body:?}");
            assert!(!body.truncated || body.bytes.is_empty() && body.length > 0, "{target}: {body:?}");
        }
    }
}

#[test]
fn no_secret_of_an_http2_request_reaches_the_store() {
    let (upstream, store) = (Receiver::start(), TestStore::sqlite());
    let rules = store.directory().join("rules.toml");
    std::fs::write(&rules, RULES.replace("action = \"hash\"", "action = \"mask\"")).unwrap();
    let flags = ["--rules", rules.to_str().unwrap(), "--keep-header", "cookie"];
    let recorder = TestRecorder::start(&store, &format!("h2c://{}", upstream.addr()), &flags);
    let mut client = Http2Client::connect(recorder.addr());
    let request = Request::post("http://a/users/s3cr3t-path/x?token=s3cr3t-query&a=n3xt-query")
        .header("authorization", "s3cr3t-bearer")
        .header("cookie", "sid=s3cr3t-cookie")
        .header("cookie", "b=n3xt-cookie")
        .header("content-type", "application/json")
        .body(Bytes::from(body("http2")))
        .unwrap();
    let trailer = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
    let trailers: HeaderMap =
        [trailer("x-trailer", "s3cr3t-trailer"), trailer("x-other", "n3xt-trailer")].into_iter().collect();
    assert_eq!(client.try_exchange(request, trailers).unwrap().head.status(), 200);
    drop(client);
    recorder.drain();
    let stored = raw(&store);
    assert!(words(&stored, SECRET).is_empty(), "{:?}", store.exchanges());
    for word in ["n3xt-query", "n3xt-cookie", "n3xt-http2-1", "n3xt-http2-2", "n3xt-trailer"] {
        assert!(words(&stored, NEIGHBOUR).contains(&word.as_bytes()), "{word}: {:?}", store.exchanges());
    }
}

#[test]
fn what_is_redacted_can_still_be_replayed() {
    let store = TestStore::sqlite();
    record(&store);
    let staging = Origin::start();
    let target = format!("staging={}", staging.url());
    let report = umbra_tests::replayer::replay(&store, &["--target", &target, "--rate", "max"]);
    let ledger = &report.targets[0].ledger;
    assert_eq!(ledger.reason("skipped", "truncated"), 4, "{ledger}");
    assert_eq!(ledger.state("answered") + 4, ledger.seen, "{ledger}");
    let coded: Vec<_> = staging.requests().into_iter().filter(|r| r.head.target() == b"/coded").collect();
    assert_eq!(coded.len(), CODINGS.len());
    for request in coded {
        let headers = [("content-encoding", request.head.get("content-encoding"))].into_iter().collect();
        let text = decoded(&headers, &Body::whole(request.body.bytes.clone()));
        let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(value["user"][0]["password"], "***");
        assert!(value["email"].as_str().unwrap().starts_with("hmac-"));
    }
}
