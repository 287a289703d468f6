//! What is an authority that a request may name.

use std::net::Ipv6Addr;

use super::charset::Charset;

/// A host and perhaps a port (RFC 3986, 3.2.2 and 3.2.3), without user information. Of the characters that a name may have
/// by the RFC, the comma is left out: it is how two hosts are smuggled as one.
pub(super) fn is_authority(text: &[u8]) -> bool {
    if let Some(rest) = text.strip_prefix(b"[") {
        let Some(end) = rest.iter().position(|b| *b == b']') else { return false };
        let address = std::str::from_utf8(&rest[..end]).ok().and_then(|a| a.parse::<Ipv6Addr>().ok());
        return address.is_some() && is_port(&rest[end + 1..]);
    }
    let (name, port) = text.split_at(text.iter().position(|b| !NAME.has(*b)).unwrap_or(text.len()));
    !name.is_empty() && is_port(port)
}

const NAME: Charset = Charset::alphanumeric_and(b"-._~%!$&'()*+;=");

/// Nothing, or `:` and a port that fits 16 bits; `:` alone is allowed (RFC 3986, 3.2.3).
fn is_port(text: &[u8]) -> bool {
    match text {
        [] | [b':'] => true,
        [b':', digits @ ..] => digits.iter().try_fold(0, with_digit).is_some(),
        _ => false,
    }
}

fn with_digit(port: u16, digit: &u8) -> Option<u16> {
    let digit = digit.is_ascii_digit().then(|| u16::from(digit - b'0'))?;
    port.checked_mul(10)?.checked_add(digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_told_from_other_texts() {
        for good in [
            "a",
            "a.example.com",
            "A:80",
            "a:",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:80",
            "a_b-shadow:1",
            "xn--a",
            "a:0",
            "a:065535",
        ] {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
        for bad in [
            "", ":80", "a b", "a,b", "u@a", "a/b", "a:b", "a:1:2", "a:99999", "a:65536", "a:+1", "[::1", "[a]",
            "[::1]x", "a\t", "a?b", "a#",
        ] {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
        assert!(!is_authority(b"a\xff"));
    }
}
