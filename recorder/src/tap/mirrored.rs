//! What another proxy's mirror added to a request comes off again: a sink records the request that the proxy was sent.
//!
//! Envoy's router gives the copy the shadow host, its `x-envoy-…` bookkeeping, and its own address at the end of
//! `x-forwarded-for` (`AsyncStreamImpl`); nginx's and others' what their configuration says. What a client may as well have
//! sent (`x-request-id`, `x-forwarded-proto`) cannot be told from what was added, and stays.

use umbra_common::exchange::Fields;
use umbra_common::shadow_host;

const BOOKKEEPING: &[u8] = b"x-envoy-";
const FORWARDED_FOR: &[u8] = b"x-forwarded-for";

/// Of the connection between the mirror and here; nothing of the client's.
const HOP: [&[u8]; 3] = [b"connection", b"keep-alive", b"proxy-connection"];

/// The header section as the proxy was sent it.
pub(super) fn headers(came: &Fields) -> Fields {
    // Only Envoy is known to have put itself there.
    let by_envoy = came.iter().any(|(name, _)| name.starts_with(BOOKKEEPING));
    let hops = came.iter().enumerate().filter(|(_, (name, _))| *name == FORWARDED_FOR);
    let last_hop = hops.last().map(|(at, _)| at).filter(|_| by_envoy);
    let mut sent = Fields::with_capacity(came.len(), came.byte_len());
    for (at, (name, value)) in came.iter().enumerate() {
        if name.starts_with(BOOKKEEPING) || HOP.contains(&name) {
            continue;
        }
        if Some(at) == last_hop {
            if let Some(comma) = value.iter().rposition(|b| *b == b',') {
                sent.push(name, value[..comma].trim_ascii_end());
            }
        } else if name == b"host" {
            sent.push(name, shadow_host::remove(value));
        } else {
            sent.push(name, value);
        }
    }
    sent
}

/// The target as the proxy was sent it: an absolute one names the host too.
pub(super) fn target(came: &[u8]) -> Option<Vec<u8>> {
    let start = came.windows(3).position(|w| w == b"://").filter(|_| !came.starts_with(b"/"))? + 3;
    let end = came[start..].iter().position(|b| matches!(b, b'/' | b'?')).map_or(came.len(), |at| start + at);
    Some([&came[..start], &shadow_host::remove(&came[start..end]), &came[end..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(came: &[(&str, &str)]) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        headers(&came.iter().copied().collect()).iter().map(|(n, v)| (text(n), text(v))).collect()
    }

    fn are(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn what_envoy_adds_comes_off() {
        let came = [
            ("host", "api-shadow:8000"),
            ("x-a", "b-shadow"),
            ("x-envoy-internal", "true"),
            ("x-forwarded-for", "10.0.0.1, 10.0.0.2,10.0.0.3"),
            ("x-envoy-expected-rq-timeout-ms", "15000"),
            ("x-request-id", "1"),
        ];
        let expected = [
            ("host", "api:8000"),
            ("x-a", "b-shadow"),
            ("x-forwarded-for", "10.0.0.1, 10.0.0.2"),
            ("x-request-id", "1"),
        ];
        assert_eq!(sent(&came), are(&expected));
        assert_eq!(sent(&[("x-forwarded-for", "10.0.0.3"), ("x-envoy-internal", "true")]), are(&[]));
    }

    #[test]
    fn what_others_send_stays_but_for_the_connection() {
        let came = [("host", "a-shadow"), ("connection", "close"), ("x-forwarded-for", "10.0.0.1, 10.0.0.2")];
        assert_eq!(sent(&came), are(&[("host", "a"), ("x-forwarded-for", "10.0.0.1, 10.0.0.2")]));
    }

    #[test]
    fn an_absolute_target_names_the_host_without_the_suffix() {
        assert_eq!(target(b"http://a-shadow:80/x-shadow?y").as_deref(), Some(&b"http://a:80/x-shadow?y"[..]));
        assert_eq!(target(b"http://a-shadow").as_deref(), Some(&b"http://a"[..]));
        assert_eq!(target(b"/x?u=http://a-shadow/"), None);
    }
}
