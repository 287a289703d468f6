//! JSON pointers (RFC 6901).

use std::fmt;
use std::str::FromStr;

/// The way to a value inside of a JSON document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    text: String,
    tokens: Vec<String>,
}

/// A text that is no JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no JSON pointer: give the keys to the field, each after a '/', as in /customer/email (RFC 6901)")]
pub struct PointerParseError(String);

impl Pointer {
    /// The keys and indexes, decoded.
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// The value of a document that it points to; of several with one key, the last.
    pub fn find<'a>(&self, document: &'a serde_json::Value) -> Option<&'a serde_json::Value> {
        document.pointer(&self.text)
    }
}

impl FromStr for Pointer {
    type Err = PointerParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || PointerParseError(text.to_owned());
        let tokens = text.strip_prefix('/').ok_or_else(bad)?.split('/').map(|token| decode(token).ok_or_else(bad));
        Ok(Self { text: text.to_owned(), tokens: tokens.collect::<Result<_, _>>()? })
    }
}

/// `~1` is a slash and `~0` a tilde; another escape is an error.
fn decode(token: &str) -> Option<String> {
    let mut parts = token.split('~');
    let mut decoded = parts.next()?.to_owned();
    for part in parts {
        let (escaped, rest) = match part.as_bytes().first()? {
            b'0' => ('~', &part[1..]),
            b'1' => ('/', &part[1..]),
            _ => return None,
        };
        decoded.push(escaped);
        decoded.push_str(rest);
    }
    Some(decoded)
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_read_as_rfc_6901_has_them() {
        let tokens = |text: &str| text.parse::<Pointer>().unwrap().tokens;
        assert_eq!(tokens("/a/0/b"), ["a", "0", "b"]);
        assert_eq!(tokens("/"), [""]);
        assert_eq!(tokens("/a~1b/m~0n/~01"), ["a/b", "m~n", "~1"]);
        for bad in ["", "a", "a/b", "/~", "/~2"] {
            assert!(bad.parse::<Pointer>().unwrap_err().to_string().contains("is no JSON pointer"), "{bad}");
        }
    }
}
