//! A value in a request that is about to leave, replaced.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE};
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Uri};

use super::Place;
use super::answer::MASK;
use crate::change::{encode, replace_json, replace_pair, reserved};
use crate::target::RecordedBody;

/// Puts a value into a place, if the request has anything there. Says whether it has.
pub(super) fn put(request: &mut Request<RecordedBody>, place: &Place, value: &Bytes) -> bool {
    match place {
        Place::Header(name) => {
            let Ok(value) = HeaderValue::from_maybe_shared(value.clone()) else { return false };
            let there = request.headers().contains_key(name);
            if there {
                request.headers_mut().insert(name, value);
            }
            there
        }
        Place::Cookie(name) => put_cookie(request, name, value),
        Place::Query(name) => {
            let target = request.uri().path_and_query().map_or("", PathAndQuery::as_str);
            let Some((path, query)) = target.split_once('?') else { return false };
            let Some(query) = replace_pair(query.as_bytes(), name, value) else { return false };
            let target = [path.as_bytes(), b"?", &query].concat();
            set_target(request, target)
        }
        Place::Json(pointer) => edit_body(request, |body| {
            let text = std::str::from_utf8(body).ok()?;
            replace_json(text, pointer, value).map(String::into_bytes)
        }),
        Place::Form(name) => is_form(request) && edit_body(request, |body| replace_pair(body, name, value)),
    }
}

fn is_form(request: &Request<RecordedBody>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    kind.to_ascii_lowercase().starts_with(b"application/x-www-form-urlencoded")
}

/// A cookie header that the recorder masked as a whole becomes one with this cookie: which others there were, nobody
/// knows any more.
fn put_cookie(request: &mut Request<RecordedBody>, name: &str, value: &Bytes) -> bool {
    let own = [name.as_bytes(), b"=", value].concat();
    let mut put = false;
    let fields = request.headers().get_all(COOKIE).iter().map(|field| {
        let pairs = field.as_bytes().split(|b| *b == b';').map(<[u8]>::trim_ascii);
        let is_own = |pair: &[u8]| pair.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="));
        let pairs: Vec<&[u8]> = pairs
            .map(|pair| {
                if pair == MASK || is_own(pair) {
                    put = true;
                    &own
                } else {
                    pair
                }
            })
            .collect();
        pairs.join(&b"; "[..])
    });
    let fields: Vec<_> = fields.filter_map(|field| HeaderValue::from_bytes(&field).ok()).collect();
    if put {
        request.headers_mut().remove(COOKIE);
        for field in fields {
            request.headers_mut().append(COOKIE, field);
        }
    }
    put
}

/// Puts a value wherever another one stands as a whole word: in the target, in header fields, in a body that is neither
/// compressed nor gRPC's. Says whether it stood anywhere.
pub(super) fn replace_everywhere(request: &mut Request<RecordedBody>, old: &[u8], new: &[u8]) -> bool {
    let mut replaced = false;
    let target = request.uri().path_and_query().map_or("", PathAndQuery::as_str).to_owned();
    let encoded = |value: &[u8]| encode(&String::from_utf8_lossy(value)).into_bytes();
    if let Some(target) = words(target.as_bytes(), &encoded(old), &encoded(new)) {
        replaced |= set_target(request, target);
    }
    for (name, value) in request.headers_mut() {
        // Secrets are the target's own, put there on purpose; a length that happens to be the same is still the body's.
        if !value.is_sensitive()
            && reserved(name).is_none()
            && let Some(changed) = words(value.as_bytes(), old, new)
            && let Ok(changed) = HeaderValue::from_bytes(&changed)
        {
            *value = changed;
            replaced = true;
        }
    }
    let kind = request.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let is_grpc = kind.starts_with(b"application/grpc");
    let is_form = is_form(request);
    if !is_grpc {
        replaced |= edit_body(request, |body| {
            words(body, old, new).or_else(|| if is_form { words(body, &encoded(old), &encoded(new)) } else { None })
        });
    }
    replaced
}

/// The text with every occurrence replaced that no letter or digit adjoins: `42` is not in `142`.
fn words(text: &[u8], old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    if old.is_empty() || old.len() > text.len() {
        return None;
    }
    let is_word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let mut out = Vec::new();
    let mut copied = 0;
    for at in memchr::memmem::find_iter(text, old) {
        let before = at.checked_sub(1).and_then(|at| text.get(at));
        if at >= copied && !is_word(before) && !is_word(text.get(at + old.len())) {
            out.extend_from_slice(&text[copied..at]);
            out.extend_from_slice(new);
            copied = at + old.len();
        }
    }
    (copied > 0).then(|| {
        out.extend_from_slice(&text[copied..]);
        out
    })
}

fn set_target(request: &mut Request<RecordedBody>, target: Vec<u8>) -> bool {
    let Ok(target) = PathAndQuery::from_maybe_shared(Bytes::from(target)) else { return false };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(target);
    let Ok(uri) = Uri::from_parts(parts) else { return false };
    *request.uri_mut() = uri;
    true
}

fn edit_body(request: &mut Request<RecordedBody>, edit: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> bool {
    if request.headers().get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return false;
    }
    let Some(edited) = edit(request.body().bytes()) else { return false };
    request.body_mut().replace(edited.into());
    if request.headers().contains_key(CONTENT_LENGTH) {
        let length = request.body().len();
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(kind: &str, body: &str) -> Request<RecordedBody> {
        let mut request = Request::new(RecordedBody::new(Bytes::copy_from_slice(body.as_bytes()), None));
        *request.uri_mut() = "/p?token=old&x=%zz".parse().unwrap();
        request.headers_mut().insert(CONTENT_TYPE, kind.parse().unwrap());
        request.headers_mut().insert(CONTENT_LENGTH, body.len().into());
        request
    }

    fn after(kind: &str, body: &str, place: &str) -> (bool, String, String) {
        let mut request = request(kind, body);
        let put = put(&mut request, &place.parse().unwrap(), &Bytes::from_static(b"n/w 1"));
        let length = request.headers()[CONTENT_LENGTH].to_str().unwrap().parse::<u64>().unwrap();
        assert_eq!(length, request.body().len());
        let body = String::from_utf8(request.body().bytes().to_vec()).unwrap();
        (put, request.uri().to_string(), body)
    }

    #[test]
    fn a_length_that_equals_a_value_stays_the_body_s() {
        // An order's number that happens to be the length of the body.
        let mut request = request("text/plain", "0123456789");
        request.headers_mut().insert("x-order", "10".parse().unwrap());
        request.headers_mut().insert("umbra-shadow", "10".parse().unwrap());
        assert!(replace_everywhere(&mut request, b"10", b"700012"));
        let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-length"), "10");
        assert_eq!((header("x-order"), header("umbra-shadow")), ("700012".into(), "10".into()));
    }

    #[test]
    fn a_value_is_put_where_there_is_one_and_nowhere_else() {
        const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
        assert_eq!(after("a/b", "", "query:token").1, "/p?token=n%2Fw%201&x=%zz");
        assert!(!after("a/b", "", "query:no").0);
        assert_eq!(after(FORM, "a=1&t=2", "form:t").2, "a=1&t=n%2Fw%201");
        assert!(!after("text/plain", "t=2", "form:t").0);
        assert_eq!(after("application/json", "{\"t\": \"old\"}", "json:/t").2, "{\"t\": \"n/w 1\"}");
        assert!(!after("application/json", "{}", "json:/t").0);
        assert!(!after("a/b", "", "header:x-no").0);
        assert!(!after("a/b", "", "cookie:no").0);
    }

    #[test]
    fn a_masked_cookie_header_becomes_one_with_the_cookie() {
        let mut request = request("a/b", "");
        request.headers_mut().insert(COOKIE, "***".parse().unwrap());
        assert!(put_cookie(&mut request, "sid", &Bytes::from_static(b"s1")));
        assert_eq!(request.headers()[COOKIE], "sid=s1");
    }

    #[test]
    fn whole_words_are_replaced() {
        let replaced = |text: &str| words(text.as_bytes(), b"42", b"x").map(|t| String::from_utf8(t).unwrap());
        assert_eq!(replaced("42/142/42-42_42 a42 42").as_deref(), Some("x/142/x-42_42 a42 x"));
        assert_eq!(replaced("142"), None);
        assert_eq!(words(b"aa", b"", b"x"), None);
    }

    #[test]
    fn compressed_and_grpc_bodies_stay_as_they_are() {
        let mut grpc = request("application/grpc", "42");
        assert!(!replace_everywhere(&mut grpc, b"42", b"43"));
        let mut gzip = request("text/plain", "42");
        gzip.headers_mut().insert(CONTENT_ENCODING, "gzip".parse().unwrap());
        assert!(!replace_everywhere(&mut gzip, b"42", b"43"));
        let mut plain = request("text/plain", "id 42, of 42");
        assert!(replace_everywhere(&mut plain, b"42", b"4300"));
        assert_eq!(&plain.body().bytes()[..], b"id 4300, of 4300");
        assert_eq!(plain.headers()[CONTENT_LENGTH], "16");
    }
}
