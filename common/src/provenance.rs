//! Which recorder took a request, in front of which upstream, as a word that a shadow request carries.
//!
//! A replayer that is pointed at the very recorder that took its traffic would send production its own requests again. The
//! replayer cannot know where a recorder listens, but the recorder can know its own: it refuses what carries its word.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// The field that carries the word.
pub const FIELD: &str = "umbra-recorded-by";

/// Fixed, so that both programs come to the same; it keeps no secret. ASCII "umbra-provenance".
const KEY: &[u8; 16] = b"umbra-provenance";

/// The word for a recorder's instance and its upstream, both as records have them: sixteen hexadecimal digits, which tell
/// nobody the upstream's address.
pub fn word(recorder: &str, upstream: &str) -> String {
    let mut hasher = SipHasher13::new_with_key(KEY);
    hasher.write(recorder.as_bytes());
    // No name has it, so no two pairs run together.
    hasher.write_u8(0);
    hasher.write(upstream.as_bytes());
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_tells_recorders_and_upstreams_apart() {
        let one = word("a", "http://b:1");
        assert_eq!(one, word("a", "http://b:1"));
        assert_eq!((one.len(), one.bytes().all(|b| b.is_ascii_hexdigit())), (16, true));
        for other in [word("b", "http://b:1"), word("a", "http://b:2"), word("ah", "ttp://b:1")] {
            assert_ne!(one, other);
        }
    }
}
