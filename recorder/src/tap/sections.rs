//! Byte strings one behind the other, each with its length before it: how a record lies in its batch.
//!
//! In memory only, between two threads of one process: what is read is what was written.

use umbra_common::exchange::Fields;

/// The bytes of a length or a count.
const NUMBER: usize = size_of::<u32>();

/// What sections of these lengths take together.
pub(super) fn room(lengths: impl Iterator<Item = usize>) -> usize {
    lengths.map(|length| NUMBER + length).sum()
}

/// Adds one. A head, a field or a session is far below 4 GiB: the edge has limits.
pub(super) fn put(to: &mut Vec<u8>, section: &[u8]) {
    put_number(to, section.len() as u32);
    to.extend_from_slice(section);
}

/// Adds a section of fields.
pub(super) fn put_fields(to: &mut Vec<u8>, fields: &Fields) {
    put_number(to, fields.len() as u32);
    put(to, fields.as_written());
}

fn put_number(to: &mut Vec<u8>, number: u32) {
    to.extend_from_slice(&number.to_le_bytes());
}

/// Gives them again, in their order.
#[derive(Debug)]
pub(super) struct Sections<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Sections<'a> {
    /// Those that begin at `at`.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The next, which is one of fields.
    pub(super) fn fields(&mut self) -> Fields {
        let count = self.number();
        Fields::from_written(count, self.next())
    }

    /// The next.
    pub(super) fn next(&mut self) -> &'a [u8] {
        let length = self.number() as usize;
        self.cut(length)
    }

    fn number(&mut self) -> u32 {
        self.cut(NUMBER).try_into().map(u32::from_le_bytes).unwrap_or_default()
    }

    fn cut(&mut self, length: usize) -> &'a [u8] {
        let from = self.at;
        self.at += length;
        self.bytes.get(from..self.at).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_put_is_given_again(words in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..20)) {
            let mut bytes = b"before".to_vec();
            let fields: Fields = words.iter().map(|word| (word, word)).collect();
            for word in &words {
                put(&mut bytes, word);
                put_fields(&mut bytes, &fields);
            }
            let mut sections = Sections::new(&bytes, 6);
            for word in &words {
                prop_assert_eq!(sections.next(), &word[..]);
                prop_assert_eq!(sections.fields(), fields.clone());
            }
        }
    }
}
