use http::{Request, Version};

use super::*;

/// A head as hyper would hand it over.
fn head(method: &str, target: &str, version: Version, fields: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(target).version(version);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn one(target: &str, fields: &[(&str, &str)]) -> Result<(), Refusal> {
    check(&head("GET", target, Version::HTTP_11, fields))
}

fn two(target: &str, fields: &[(&str, &str)]) -> Result<(), Refusal> {
    check(&head("GET", target, Version::HTTP_2, fields))
}

#[test]
fn ordinary_requests_pass() {
    assert_eq!(one("/", &[("host", "a")]), Ok(()));
    assert_eq!(one("http://a:80/x", &[("host", "A:80")]), Ok(()));
    assert_eq!(one("/", &[("host", "[::1]:8080"), ("transfer-encoding", "Chunked")]), Ok(()));
    assert_eq!(check(&head("GET", "/", Version::HTTP_10, &[])), Ok(()));
    assert_eq!(check(&head("OPTIONS", "*", Version::HTTP_11, &[("host", "a")])), Ok(()));
    assert_eq!(two("http://a/x", &[]), Ok(()));
    assert_eq!(two("http://a/x", &[("host", "A")]), Ok(()));
    assert_eq!(two("/x", &[("host", "a")]), Ok(()));
}

#[test]
fn hosts_are_exactly_one_authority_that_agrees_with_the_target() {
    assert_eq!(one("/", &[]), Err(Refusal::NoHost));
    assert_eq!(one("/", &[("host", "a"), ("host", "a")]), Err(Refusal::ManyHosts));
    for bad in ["", "a, b", "a/b", "u@a", "a:99999"] {
        assert_eq!(one("/", &[("host", bad)]), Err(Refusal::BadHost), "{bad}");
    }
    assert_eq!(one("http://a/", &[("host", "b")]), Err(Refusal::HostMismatch));
    assert_eq!(one("http://u@a/", &[("host", "u@a")]), Err(Refusal::BadHost));
    assert_eq!(one("ftp://a/", &[("host", "a")]), Err(Refusal::TargetForm));
    assert_eq!(one("a:80", &[("host", "a:80")]), Err(Refusal::TargetForm));
}

#[test]
fn http2_authorities_follow_the_same_rules() {
    assert_eq!(two("/x", &[]), Err(Refusal::NoHost));
    assert_eq!(two("http://a/", &[("host", "b")]), Err(Refusal::HostMismatch));
    assert_eq!(two("http://a/", &[("host", "a"), ("host", "a")]), Err(Refusal::ManyHosts));
    assert_eq!(two("http://u@a/", &[]), Err(Refusal::BadHost));
}

#[test]
fn methods_have_their_forms_of_target() {
    assert_eq!(one("*", &[("host", "a")]), Err(Refusal::Asterisk));
    assert_eq!(check(&head("CONNECT", "a:443", Version::HTTP_11, &[("host", "a:443")])), Err(Refusal::Connect));
    assert_eq!(check(&head("CONNECT", "a:443", Version::HTTP_2, &[])), Err(Refusal::Connect));
}

#[test]
fn a_transfer_coding_is_chunked_once() {
    for bad in ["chunked, chunked", "gzip, chunked", "identity", "\u{b}chunked", "chunked;q=1", ""] {
        let mut parts = head("POST", "/", Version::HTTP_11, &[("host", "a")]);
        // A vertical tab is no field value for http::HeaderValue, so what cannot be built cannot arrive.
        let Ok(value) = bad.parse() else { continue };
        parts.headers.insert(TRANSFER_ENCODING, value);
        assert_eq!(check(&parts), Err(Refusal::TransferEncoding), "{bad}");
    }
    let twice = [("host", "a"), ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")];
    assert_eq!(one("/", &twice), Err(Refusal::TransferEncoding));
}

#[test]
fn heads_and_targets_have_a_largest_size() {
    let path = |n: usize| format!("/{}", "a".repeat(n - 1));
    assert_eq!(one(&path(LONGEST_TARGET), &[("host", "a")]), Ok(()));
    assert_eq!(one(&path(LONGEST_TARGET + 1), &[("host", "a")]), Err(Refusal::TargetTooLong));
    let many = |n: usize| std::iter::repeat_n(("x", ""), n - 1).chain([("host", "a")]).collect::<Vec<_>>();
    assert_eq!(one("/", &many(MOST_FIELDS)), Ok(()));
    assert_eq!(one("/", &many(MOST_FIELDS + 1)), Err(Refusal::TooManyFields));
    assert_eq!(one("/", &[("host", "a"), ("x", &"v".repeat(LARGEST_HEAD))]), Err(Refusal::HeadTooLarge));
}

#[test]
fn every_refusal_has_a_word_of_its_own_and_an_error_status() {
    let mut words: Vec<_> = Refusal::ALL.iter().map(|r| r.as_str()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Refusal::ALL.len());
    assert!(Refusal::ALL.iter().all(|r| r.status().is_client_error()));
}
