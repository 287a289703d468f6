//! Secrets are removed before the store: their bytes are nowhere in it.

use std::path::Path;

use umbra_common::codec;
use umbra_tests::origin::{Answer, Origin};
use umbra_tests::recorder::TestRecorder;
use umbra_tests::stores::TestStore;

use crate::both_stores::on_both_stores;

const SECRETS: [&str; 6] =
    ["tok-3141592653", "proxy-2718281828", "sid-1414213562", "key-1732050807", "set-1618033988", "own-0577215664"];

/// One request with a secret in each place that is masked by default or by flag, and answers with one in `Set-Cookie`.
fn record_secrets(store: &TestStore, flags: &[&str]) -> Origin {
    let origin = Origin::with(|_| Answer::status(200, &[("set-cookie", "sid=set-1618033988; Path=/")], "ok"));
    let recorder = TestRecorder::start(store, &origin.url(), flags);
    let request = "GET /secrets HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer tok-3141592653\r\n\
        Proxy-Authorization: Basic proxy-2718281828\r\nCookie: sid=sid-1414213562\r\nCookie: b=sid-1414213562\r\n\
        X-API-Key: key-1732050807\r\nX-Own: own-0577215664\r\nX-Plain: plain-value\r\n\r\n";
    let response = recorder.client().exchange(request);
    assert!(response.head.get("set-cookie").contains("set-1618033988"), "the client gets what the origin sent");
    recorder.drain();
    origin
}

/// Every byte of a directory's files, and of the store's records.
fn raw(store: &TestStore) -> Vec<u8> {
    let mut all = Vec::new();
    files(store.directory(), &mut all);
    store.exchanges().iter().for_each(|e| codec::encode_into(e, &mut all));
    all
}

fn files(directory: &Path, into: &mut Vec<u8>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, into),
            false => into.extend(std::fs::read(path).unwrap()),
        }
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

on_both_stores! {
    fn no_secret_is_in_the_store(store: &TestStore) {
        let origin = record_secrets(store, &["--redact-header", "x-own"]);
        let bytes = raw(store);
        assert!(holds(&bytes, "plain-value"), "the search itself must find what is there");
        for secret in SECRETS {
            assert!(!holds(&bytes, secret), "{secret} is in the store");
        }
        let request = store.exchanges().remove(0).request;
        for name in ["authorization", "proxy-authorization", "cookie", "x-api-key", "x-own"] {
            assert!(request.headers.get(name).is_some_and(|v| !v.is_empty()), "{name} is masked, not gone");
        }
        assert_eq!(request.headers.get_all("cookie").count(), 2);
        let head = origin.only().head;
        assert_eq!(head.get("authorization"), "Bearer tok-3141592653", "the origin gets what the client sent");
        assert_eq!(head.all("cookie").len(), 2);
    }
}

#[test]
fn a_header_that_is_kept_by_name_is_recorded() {
    let store = TestStore::sqlite();
    record_secrets(&store, &["--keep-header", "authorization"]);
    let bytes = raw(&store);
    assert!(holds(&bytes, "tok-3141592653"));
    assert!(!holds(&bytes, "sid-1414213562"), "the others stay masked");
}
