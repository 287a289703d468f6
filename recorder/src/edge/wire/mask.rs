//! Targets with characters that services take and the HTTP library does not.
//!
//! The library's own type for a target refuses a raw `"`, `<`, `>`, a backtick in the path and bytes beyond ASCII that are not UTF-8. Clients send
//! them, and nginx and Envoy pass them. So the library is shown a target of the same length with [`MASK`] in their
//! places; the record, and the origin, have the target as it came.

/// What the library sees in place of a byte that it would refuse. It has no meaning in a path or a query.
const MASK: u8 = b'_';

/// Hides what the library would refuse in the target of one head, which may come in several stretches.
#[derive(Debug, Default)]
pub(super) struct Mask {
    at: At,
}

#[derive(Debug, Default)]
enum At {
    #[default]
    Method,
    Target,
    Behind,
}

/// Whether the library takes this byte both in a path and in a query.
pub(crate) fn is_plain(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~') && !matches!(byte, b'"' | b'<' | b'>' | b'`')
}

impl Mask {
    /// Hides what is to be hidden in the next stretch of the head.
    pub(super) fn hide(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            match (&self.at, *byte) {
                (At::Behind, _) => return,
                (At::Method, b' ') => self.at = At::Target,
                (At::Method, _) => {}
                (At::Target, b' ' | b'\r') => self.at = At::Behind,
                (At::Target, odd) if !is_plain(odd) => *byte = MASK,
                (At::Target, _) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_target_is_hidden_and_cuts_change_nothing() {
        let head = b"GET /a<b>?c=\"\xe9`\" HTTP/1.1\r\nX: <\"> \xff\r\n\r\n";
        let hidden = b"GET /a_b_?c=____ HTTP/1.1\r\nX: <\"> \xff\r\n\r\n";
        for cut in 0..head.len() {
            let (mut mask, mut bytes) = (Mask::default(), head.to_vec());
            let (first, second) = bytes.split_at_mut(cut);
            mask.hide(first);
            mask.hide(second);
            assert_eq!(bytes, hidden, "cut at {cut}");
        }
    }

    #[test]
    fn the_library_takes_every_byte_that_is_plain() {
        for byte in (0..=255u8).filter(|b| is_plain(*b) && !matches!(b, b'#')) {
            let target = ["/a", "?b"].map(|part| [part.as_bytes(), &[byte]].concat()).concat();
            let parsed = http::uri::PathAndQuery::try_from(&target[..]);
            assert!(parsed.is_ok_and(|p| p.as_str().as_bytes() == target), "{}", byte.escape_ascii());
        }
    }
}
