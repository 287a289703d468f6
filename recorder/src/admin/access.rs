//! Who may ask what: probes are open, everything else wants the token where there is one.

use http::header::{AUTHORIZATION, HeaderMap, ORIGIN};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The token's digest: comparing digests takes the same time whatever was given, its length included.
pub(super) struct Access(Option<[u8; 32]>);

/// Why a request is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// No token, or another one.
    Token,
    /// A page in somebody's browser sent it.
    Browser,
}

impl Access {
    pub(super) fn new(token: Option<&str>) -> Self {
        Self(token.map(|token| Sha256::digest(token).into()))
    }

    /// Whether a request may see what is not open to everyone or, where it `changes` something, may do so.
    pub(super) fn check(&self, headers: &HeaderMap, changes: bool) -> Result<(), Denied> {
        // A browser names the page that made it send something; operators' tools do not, and no page is one of them.
        if changes && headers.contains_key(ORIGIN) {
            return Err(Denied::Browser);
        }
        let Some(token) = self.0 else { return Ok(()) };
        let given = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes())).unwrap_or_default();
        let given: [u8; 32] = Sha256::digest(given).into();
        if bool::from(given.ct_eq(&token)) { Ok(()) } else { Err(Denied::Token) }
    }
}

/// The token of `Bearer TOKEN` (RFC 6750, 2.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &str) -> HeaderMap {
        [(http::HeaderName::from_static(name), value.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn the_token_is_wanted_where_there_is_one() {
        let access = Access::new(Some("a-token-of-operators"));
        assert_eq!(access.check(&with("authorization", "Bearer a-token-of-operators"), true), Ok(()));
        assert_eq!(access.check(&with("authorization", "bearer  a-token-of-operators"), false), Ok(()));
        for wrong in ["Bearer a-token-of-operator", "Bearer ", "Basic a-token-of-operators", "a-token-of-operators"] {
            assert_eq!(access.check(&with("authorization", wrong), false), Err(Denied::Token), "{wrong}");
        }
        assert_eq!(access.check(&HeaderMap::new(), false), Err(Denied::Token));
        assert_eq!(Access::new(None).check(&HeaderMap::new(), true), Ok(()));
    }

    #[test]
    fn a_page_in_a_browser_changes_nothing() {
        let page = with("origin", "https://elsewhere.example");
        assert_eq!(Access::new(None).check(&page, true), Err(Denied::Browser));
        assert_eq!(Access::new(None).check(&page, false), Ok(()));
    }
}
