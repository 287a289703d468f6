//! Fields that go no further than one connection (RFC 9110, 7.6.1), and those that a proxy adds.

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, Entry, HOST, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, Version};
use umbra_common::exchange::Scheme;

const HOPS: usize = 6;

/// What is for one connection by definition.
static HOP_BY_HOP: [HeaderName; HOPS] = [
    CONNECTION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];
/// Their texts: whether a name is one of them is seldom more than a look at its length.
const HOP_TEXTS: [&str; HOPS] = ["connection", "te", "transfer-encoding", "upgrade", "keep-alive", "proxy-connection"];
const TE_AT: usize = 1;
/// What proxies say of a request's way.
const FORWARDED_TEXTS: [&str; 3] = ["via", "x-forwarded-for", "x-forwarded-proto"];
/// A bit for each length that one of all these has: most names have another.
const LENGTHS: u32 = lengths(&HOP_TEXTS) | lengths(&FORWARDED_TEXTS);
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");

/// Framing is decided anew on each side, routing by the header alone (RFC 9110, 6.5.1).
const NO_TRAILERS: [&str; 14] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "host",
    "max-forwards",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

const fn lengths(texts: &[&str]) -> u32 {
    let (mut lengths, mut at) = (0, 0);
    while at < texts.len() {
        lengths |= 1 << texts[at].len();
        at += 1;
    }
    lengths
}

/// What the fields of a head said before those for one connection were removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stripped {
    /// The sender takes trailers (`TE: trailers`).
    pub(super) takes_trailers: bool,
    /// Another proxy has said who asked, how, or through whom.
    pub(super) is_forwarded: bool,
}

/// Removes what is for this connection alone.
pub(super) fn strip(headers: &mut HeaderMap) -> Stripped {
    let (mut found, mut is_forwarded) = ([false; HOPS], false);
    let mut named = Vec::new();
    for (name, value) in headers.iter() {
        let text = name.as_str();
        if LENGTHS.checked_shr(text.len() as u32).unwrap_or_default() & 1 == 0 {
            continue;
        }
        is_forwarded |= FORWARDED_TEXTS.contains(&text);
        let Some(at) = HOP_TEXTS.iter().position(|hop| *hop == text) else { continue };
        found[at] = true;
        if *name == CONNECTION && !matches!(value.as_bytes(), b"keep-alive" | b"close") {
            // A client that names Host here would have the origin see none.
            named.extend(tokens(value).filter(|name| *name != HOST && *name != CONTENT_LENGTH));
        }
    }
    let takes_trailers = found[TE_AT] && headers.get_all(TE).iter().any(takes_trailers);
    for name in named {
        headers.remove(name);
    }
    for (name, _) in HOP_BY_HOP.iter().zip(found).filter(|(_, found)| *found) {
        headers.remove(name);
    }
    Stripped { takes_trailers, is_forwarded }
}

/// A list of codings, of which `trailers` is one without being a coding (RFC 9110, 10.1.4).
fn takes_trailers(te: &HeaderValue) -> bool {
    te.as_bytes().split(|b| *b == b',').any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

fn tokens(value: &HeaderValue) -> impl Iterator<Item = HeaderName> {
    value.as_bytes().split(|b| *b == b',').filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
}

/// Asks the next hop for trailers; HTTP/1.1 wants the field named in `Connection` too.
pub(super) fn take_trailers(headers: &mut HeaderMap, http2: bool) {
    headers.insert(TE, TRAILERS);
    if !http2 {
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
}

/// What [`add_forwarded`] adds to an HTTP/1.1 request that no other proxy has passed on, as lines.
pub(crate) fn forwarded_lines(client: &HeaderValue, scheme: Scheme) -> Bytes {
    let scheme: &[u8] = match scheme {
        Scheme::Http => b"http",
        Scheme::Https => b"https",
    };
    let parts =
        [b"x-forwarded-for: ", client.as_bytes(), b"\r\nx-forwarded-proto: ", scheme, b"\r\nvia: 1.1 umbra\r\n"];
    parts.concat().into()
}

/// Says who asked, by which protocol, and through whom.
pub(super) fn add_forwarded(headers: &mut HeaderMap, client: &HeaderValue, scheme: Scheme, version: Version) {
    match headers.entry(X_FORWARDED_FOR) {
        Entry::Vacant(none) => _ = none.insert(client.clone()),
        Entry::Occupied(mut before) => {
            let mut all = Vec::new();
            for value in before.iter() {
                all.extend_from_slice(value.as_bytes());
                all.extend_from_slice(b", ");
            }
            all.extend_from_slice(client.as_bytes());
            // Values of valid fields, joined by a comma, are a valid value.
            before.insert(HeaderValue::from_bytes(&all).unwrap_or_else(|_| client.clone()));
        }
    }
    // In constants, whose texts are checked once and for all.
    headers.entry(X_FORWARDED_PROTO).or_insert(match scheme {
        Scheme::Http => const { HeaderValue::from_static("http") },
        Scheme::Https => const { HeaderValue::from_static("https") },
    });
    let via = match version {
        Version::HTTP_10 => const { HeaderValue::from_static("1.0 umbra") },
        Version::HTTP_2 => const { HeaderValue::from_static("2 umbra") },
        _ => const { HeaderValue::from_static("1.1 umbra") },
    };
    headers.append(VIA, via);
}

/// Drops trailers that frame, route or authorise. Says whether any is left.
pub(super) fn clean_trailers(trailers: &mut HeaderMap) -> bool {
    for name in NO_TRAILERS {
        trailers.remove(name);
    }
    !trailers.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        fields.iter().map(|(n, v)| (n.parse::<HeaderName>().unwrap(), v.parse().unwrap())).collect()
    }

    #[test]
    fn what_connection_names_goes_no_further_but_host_does() {
        let mut headers = map(&[
            ("host", "a"),
            ("connection", "close, Host, x-a, content-length"),
            ("x-a", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("content-length", "3"),
            ("x-b", "2"),
        ]);
        assert!(!strip(&mut headers).takes_trailers);
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-length", "host", "x-b"]);
    }

    #[test]
    fn each_name_has_its_text() {
        assert_eq!(HOP_BY_HOP.each_ref().map(HeaderName::as_str), HOP_TEXTS);
    }

    #[test]
    fn te_is_for_one_hop_and_trailers_are_asked_for_again() {
        let mut headers = map(&[("te", "trailers")]);
        assert!(strip(&mut headers).takes_trailers);
        assert!(headers.is_empty());
        take_trailers(&mut headers, false);
        assert_eq!(headers, map(&[("te", "trailers"), ("connection", "te")]));
        assert!(!strip(&mut map(&[("te", "gzip")])).takes_trailers);
        assert!(strip(&mut map(&[("te", "gzip;q=0.5, Trailers")])).takes_trailers);
    }

    #[test]
    fn the_client_is_added_to_those_before_it() {
        let client = HeaderValue::from_static("10.0.0.3");
        let mut headers = map(&[("x-forwarded-for", "10.0.0.1"), ("x-forwarded-for", "10.0.0.2"), ("via", "1.1 lb")]);
        add_forwarded(&mut headers, &client, Scheme::Http, Version::HTTP_11);
        assert_eq!(headers["x-forwarded-for"], "10.0.0.1, 10.0.0.2, 10.0.0.3");
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert_eq!(headers.get_all("via").iter().collect::<Vec<_>>(), ["1.1 lb", "1.1 umbra"]);
        let mut headers = map(&[("x-forwarded-proto", "https")]);
        add_forwarded(&mut headers, &client, Scheme::Http, Version::HTTP_2);
        assert_eq!(headers["x-forwarded-for"], "10.0.0.3");
        assert_eq!(headers["x-forwarded-proto"], "https");
    }

    #[test]
    fn lines_say_the_same_as_fields() {
        let client = HeaderValue::from_static("10.0.0.3");
        for scheme in [Scheme::Http, Scheme::Https] {
            let mut headers = map(&[("host", "a")]);
            assert!(!strip(&mut headers).is_forwarded);
            add_forwarded(&mut headers, &client, scheme, Version::HTTP_11);
            let line = |(name, value): (_, &HeaderValue)| format!("{name}: {}\r\n", value.to_str().unwrap());
            let lines: String = headers.iter().skip(1).map(line).collect();
            assert_eq!(forwarded_lines(&client, scheme), lines);
            assert!(strip(&mut headers).is_forwarded);
        }
        for name in ["via", "x-forwarded-for", "x-forwarded-proto"] {
            assert!(strip(&mut map(&[(name, "")])).is_forwarded);
        }
    }

    #[test]
    fn trailers_neither_frame_nor_route() {
        let mut trailers = map(&[("grpc-status", "0"), ("content-length", "3"), ("host", "b"), ("x", "y")]);
        assert!(clean_trailers(&mut trailers));
        assert_eq!(trailers, map(&[("grpc-status", "0"), ("x", "y")]));
        assert!(!clean_trailers(&mut map(&[("transfer-encoding", "chunked")])));
    }
}
