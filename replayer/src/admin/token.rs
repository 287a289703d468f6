//! Whether a request gives the token.

use http::header::{AUTHORIZATION, HeaderMap};
use subtle::ConstantTimeEq;

use crate::command::AdminToken;

/// Compares in a time that says nothing about how much of the token was right.
pub(super) fn is_given(headers: &HeaderMap, token: &AdminToken) -> bool {
    let given = headers.get(AUTHORIZATION).map(|value| value.as_bytes()).unwrap_or_default();
    let (scheme, rest) = given.split_at_checked(SCHEME.len()).unwrap_or_default();
    scheme.eq_ignore_ascii_case(SCHEME) && bool::from(rest.trim_ascii().ct_eq(token.as_bytes()))
}

const SCHEME: &[u8] = b"bearer ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_is_right() {
        let token = AdminToken::new("s3cret");
        let given = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, http::HeaderValue::from_static(value));
            is_given(&headers, &token)
        };
        assert!(given("Bearer s3cret") && given("bearer  s3cret"));
        for wrong in ["", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3crets", "Basic s3cret", "s3cret"] {
            assert!(!given(wrong), "{wrong}");
        }
        assert!(!is_given(&HeaderMap::new(), &token));
        assert_eq!(format!("{token:?}"), "AdminToken(…)");
    }
}
