//! A header or trailer section: names and values as bytes, in order, duplicates apart.

use std::fmt;

/// An ordered list of fields in one allocation, whatever its length.
///
/// Each name and each value stands behind its length, as records have them since format version 1 (bincode's unsigned
/// integers of variable length): a section is written into a record by copying it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields {
    bytes: Vec<u8>,
    count: u32,
}

/// What a length takes at most.
const LONGEST_LENGTH: usize = 5;
/// A smaller length is one byte.
const TWO_BYTES: u8 = 251;
const FOUR_BYTES: u8 = 252;

impl Fields {
    /// No fields, with room for `fields` of them whose names and values have `bytes` bytes together.
    pub fn with_capacity(fields: usize, bytes: usize) -> Self {
        /// Nearly all lengths are short.
        const USUAL_LENGTHS: usize = 2;
        Self { bytes: Vec::with_capacity(bytes + fields * USUAL_LENGTHS), count: 0 }
    }

    /// Adds a field at the end. The name is kept in lower case (ASCII), the value byte for byte.
    ///
    /// A section holds at most 4 GiB; what would go beyond is not added, and `false` is returned.
    pub fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> bool {
        self.add(name.as_ref(), value.as_ref(), <[u8]>::make_ascii_lowercase)
    }

    /// Adds a field whose name is in lower case already, as libraries give them.
    pub fn push_lower(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> bool {
        self.add(name.as_ref(), value.as_ref(), |_| {})
    }

    fn add(&mut self, name: &[u8], value: &[u8], edit: impl FnOnce(&mut [u8])) -> bool {
        let more = name.len().saturating_add(value.len()).saturating_add(2 * LONGEST_LENGTH);
        if u32::try_from(self.bytes.len().saturating_add(more)).is_err() {
            return false;
        }
        self.word(name);
        let start = self.bytes.len() - name.len();
        edit(&mut self.bytes[start..]);
        self.word(value);
        self.count += 1;
        true
    }

    /// A name or a value, of less than 4 GiB.
    #[inline]
    fn word(&mut self, word: &[u8]) {
        match u8::try_from(word.len()) {
            Ok(short) if short < TWO_BYTES => self.bytes.push(short),
            _ => self.long_length(word.len()),
        }
        self.bytes.extend_from_slice(word);
    }

    #[cold]
    fn long_length(&mut self, length: usize) {
        if let Ok(length) = u16::try_from(length) {
            self.bytes.push(TWO_BYTES);
            self.bytes.extend_from_slice(&length.to_le_bytes());
        } else {
            self.bytes.push(FOUR_BYTES);
            self.bytes.extend_from_slice(&(length as u32).to_le_bytes());
        }
    }

    /// The fields in order: (name, value).
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> + Clone {
        let mut rest = &self.bytes[..];
        (0..self.len()).map(move |_| (next_word(&mut rest), next_word(&mut rest)))
    }

    /// The first value of a name, given in lower case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(n, _)| *n == name.as_bytes()).map(|(_, v)| v)
    }

    /// All values of a name, given in lower case, in order.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(n, _)| *n == name.as_bytes()).map(|(_, v)| v)
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Room for so many bytes.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The bytes of all names and values with their lengths.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// All names and values with their lengths, as format version 1 has them.
    pub fn as_written(&self) -> &[u8] {
        &self.bytes
    }

    /// The section of so many fields of which [`as_written`](Self::as_written) gave these bytes.
    pub fn from_written(count: u32, bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), count }
    }
}

/// The next name or value of what [`Fields::word`] wrote.
fn next_word<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (length, behind) = match **rest {
        [TWO_BYTES, a, b, ref behind @ ..] => (u16::from_le_bytes([a, b]).into(), behind),
        [FOUR_BYTES, a, b, c, d, ref behind @ ..] => (u32::from_le_bytes([a, b, c, d]) as usize, behind),
        [short, ref behind @ ..] => (short.into(), behind),
        [] => (0, &[][..]),
    };
    let word;
    (word, *rest) = behind.split_at_checked(length).unwrap_or_default();
    word
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Fields {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let mut all = Self::default();
        for (name, value) in fields {
            all.push(name, value);
        }
        all
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |b: &[u8]| b.escape_ascii().to_string();
        f.debug_list().entries(self.iter().map(|(n, v)| (text(n), text(v)))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_duplicates_and_odd_bytes_are_kept() {
        let fields: Fields = [("a", &b"1"[..]), ("B", b"\xff\x80"), ("a", b""), ("c", b" x ")].into_iter().collect();
        let seen: Vec<_> = fields.iter().collect();
        assert_eq!(seen, [(&b"a"[..], &b"1"[..]), (b"b", b"\xff\x80"), (b"a", b""), (b"c", b" x ")]);
        assert_eq!(fields.get_all("a").collect::<Vec<_>>(), [&b"1"[..], b""]);
        assert_eq!(fields.get("c"), Some(&b" x "[..]));
        assert_eq!(fields.get("d"), None);
        assert_eq!(Fields::from_written(4, fields.as_written()), fields);
    }

    #[test]
    fn lengths_on_either_side_of_each_form_are_kept() {
        let words: Vec<Vec<u8>> =
            [0, 1, 250, 251, 252, 255, 256, 65_535, 65_536].map(|length| vec![b'x'; length]).into();
        let fields: Fields = words.iter().zip(words.iter().rev()).collect();
        let seen: Vec<_> = fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        assert_eq!(seen, words.iter().cloned().zip(words.iter().rev().cloned()).collect::<Vec<_>>());
    }
}
