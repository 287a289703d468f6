//! Sampling: decided at the head, nested, and the same on every instance.
//!
//! The key of a request is hashed to a point, and a fraction takes the points below it: what is in the 1 % set is in
//! the 10 % set, after a restart and on another instance too, because the hash's key is fixed.

use std::hash::Hasher;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::HeaderMap;
use http::header::COOKIE;
use siphasher::sip::SipHasher13;
use umbra_common::exchange::ExchangeId;
use umbra_common::fraction::Fraction;

use crate::config::SampleBy;

/// The hash's key, part of what sampling means: another one would be another sample. ASCII "umbra-sample-key".
const KEY: &[u8; 16] = b"umbra-sample-key";

/// An [`ExchangeId`] has 62 random bits; a point has 64.
const UNUSED_BITS: u32 = 2;

/// Decides which requests are recorded. The fraction is the matched rule's; the point of a key is the same under every
/// rule, so that fractions of different rules are nested too.
#[derive(Clone, Debug)]
pub(crate) struct Sampler(SampleBy);

impl Sampler {
    pub(crate) fn new(by: SampleBy) -> Self {
        Self(by)
    }

    /// The session of a request that is taken (empty where it has none), or nothing for one that is left out.
    pub(crate) fn take(
        &self,
        fraction: Fraction,
        id: ExchangeId,
        client: SocketAddr,
        headers: &HeaderMap,
    ) -> Option<Bytes> {
        match self.key(client, headers) {
            None => fraction.takes(id.random() << UNUSED_BITS).then(Bytes::new),
            Some(point) => fraction.takes(point).then(|| Bytes::copy_from_slice(&point.to_be_bytes())),
        }
    }

    fn key(&self, client: SocketAddr, headers: &HeaderMap) -> Option<u64> {
        match &self.0 {
            SampleBy::Request => None,
            SampleBy::Client => Some(match client.ip().to_canonical() {
                IpAddr::V4(ip) => point(&ip.octets()),
                IpAddr::V6(ip) => point(&ip.octets()),
            }),
            SampleBy::Header(name) => headers.get(name).map(|value| point(value.as_bytes())),
            SampleBy::Cookie(name) => cookie(headers, name.as_bytes()).map(point),
        }
    }
}

fn point(key: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_key(KEY);
    hasher.write(key);
    hasher.finish()
}

/// The value of the first cookie of a name (RFC 6265, 4.2: `a=1; b=2`; HTTP/2 may send one field for each).
fn cookie<'a>(headers: &'a HeaderMap, name: &[u8]) -> Option<&'a [u8]> {
    headers.get_all(COOKIE).iter().flat_map(|field| field.as_bytes().split(|b| *b == b';')).find_map(|pair| {
        let pair = pair.trim_ascii();
        pair.strip_prefix(name)?.strip_prefix(b"=")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use umbra_common::exchange::IdSource;
    use umbra_common::time::Timestamp;

    fn sampler(by: &str) -> Sampler {
        Sampler::new(by.parse().unwrap())
    }

    fn client(last: u32) -> SocketAddr {
        SocketAddr::from(((0x0a00_0000 + last).to_be_bytes(), 1))
    }

    fn id() -> ExchangeId {
        IdSource::new().next(Timestamp::now())
    }

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        [(http::HeaderName::from_static(name), value.parse().unwrap())].into_iter().collect()
    }

    /// Within three standard deviations of a binomial distribution, widened to five so that chance fails no build.
    fn is_about(count: u64, of: u64, fraction: f64) -> bool {
        let n = of as f64;
        (count as f64 - n * fraction).abs() <= 5.0 * (n * fraction * (1.0 - fraction)).sqrt()
    }

    #[test]
    fn the_fraction_is_met_for_requests_and_for_keys() {
        const N: u32 = 40_000;
        let (mut ids, none) = (IdSource::new(), HeaderMap::new());
        for (text, fraction) in [("1%", 0.01), ("25%", 0.25), ("90%", 0.9)] {
            let at = text.parse().unwrap();
            let by_request = sampler("request");
            let taken = (0..N).filter(|_| by_request.take(at, ids.next(Timestamp::now()), client(1), &none).is_some());
            assert!(is_about(taken.count() as u64, N.into(), fraction), "{text} by request");
            let by_client = sampler("client");
            let taken = (0..N).filter(|n| by_client.take(at, id(), client(*n), &none).is_some()).count();
            assert!(is_about(taken as u64, N.into(), fraction), "{text} by client");
        }
    }

    #[test]
    fn one_key_is_one_session_and_one_decision() {
        let by_cookie = sampler("cookie:sid");
        let half = "50%".parse().unwrap();
        for n in 0..50 {
            let first = by_cookie.take(half, id(), client(1), &headers("cookie", &format!("a=b; sid={n}; c=d")));
            let again = by_cookie.take(half, id(), client(2), &headers("cookie", &format!("sid={n}")));
            assert_eq!(first, again);
            assert!(first.is_none_or(|session| session.len() == 8));
        }
    }

    #[test]
    fn the_point_of_a_key_never_changes() {
        assert_eq!(point(b"alice"), 0xebe9_ced9_c892_8fd1);
    }

    #[test]
    fn a_request_without_the_key_is_decided_by_itself() {
        let by_header = sampler("header:x-user");
        let half = "50%".parse().unwrap();
        let taken: Vec<_> = (0..200).filter_map(|_| by_header.take(half, id(), client(1), &HeaderMap::new())).collect();
        assert!(!taken.is_empty() && taken.len() < 200);
        assert!(taken.iter().all(Bytes::is_empty));
        assert!(cookie(&headers("cookie", "xsid=1; sid2=2; sid"), b"sid").is_none());
    }

    proptest! {
        #[test]
        fn a_smaller_fraction_lies_within_a_larger(small in 0u32..=1_000_000_000, more in 0u32..=1_000_000_000, key: u32) {
            let (by_client, none) = (sampler("client"), HeaderMap::new());
            let takes = |ppb| by_client.take(Fraction::from_ppb(ppb), id(), client(key % (1 << 24)), &none).is_some();
            if takes(small) {
                prop_assert!(takes(small.saturating_add(more)));
            }
        }
    }
}
