use http::Request;

use super::*;

/// A head as the library hands it over.
fn two(method: &str, target: &str, fields: &[(&str, &str)]) -> Result<(), Refusal> {
    let mut request = Request::builder().method(method).uri(target).version(http::Version::HTTP_2);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    check_http2(&request.body(()).unwrap().into_parts().0, HeadLimits::default())
}

#[test]
fn ordinary_requests_pass() {
    assert_eq!(two("GET", "http://a/x", &[]), Ok(()));
    assert_eq!(two("GET", "http://a/x", &[("host", "A")]), Ok(()));
    assert_eq!(two("GET", "/x", &[("host", "a")]), Ok(()));
}

#[test]
fn hosts_are_exactly_one_authority() {
    assert_eq!(two("GET", "/x", &[]), Err(Refusal::NoHost));
    assert_eq!(two("GET", "http://a/", &[("host", "b")]), Err(Refusal::HostMismatch));
    assert_eq!(two("GET", "http://a/", &[("host", "a"), ("host", "a")]), Err(Refusal::ManyHosts));
    assert_eq!(two("GET", "http://u@a/", &[]), Err(Refusal::BadHost));
    for bad in ["", "a, b", "a/b", "u@a", "a:99999"] {
        assert_eq!(two("GET", "/", &[("host", bad)]), Err(Refusal::BadHost), "{bad}");
    }
}

#[test]
fn methods_have_their_forms_of_target() {
    assert_eq!(two("CONNECT", "a:443", &[]), Err(Refusal::Connect));
    assert_eq!(two("GET", "*", &[("host", "a")]), Err(Refusal::Asterisk));
    assert_eq!(two("OPTIONS", "*", &[("host", "a")]), Ok(()));
}

#[test]
fn sizes_have_limits() {
    let long = "a".repeat(HeadLimits::default().target);
    assert_eq!(two("GET", &format!("http://a/{long}"), &[]), Err(Refusal::TargetTooLong));
    let many = vec![("x", "1"); HeadLimits::default().fields + 1];
    assert_eq!(two("GET", "http://a/", &many), Err(Refusal::TooManyFields));
    let large = "a".repeat(HeadLimits::default().head);
    assert_eq!(two("GET", "http://a/", &[("x", &large)]), Err(Refusal::HeadTooLarge));
}
