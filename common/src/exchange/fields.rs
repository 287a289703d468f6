//! A header or trailer section: names and values as bytes, in order, duplicates apart.

use std::fmt;

/// An ordered list of fields in two allocations, whatever its length.
///
/// The bytes of all names and values stand behind each other; `ends` holds where each name and each value stops.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields {
    bytes: Vec<u8>,
    ends: Vec<(u32, u32)>,
}

impl Fields {
    /// No fields, with room for `fields` of them in `bytes` bytes.
    pub fn with_capacity(fields: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(fields) }
    }

    /// Adds a field at the end. The name is kept in lower case (ASCII), the value byte for byte.
    ///
    /// A section holds at most 4 GiB; what would go beyond is not added, and `false` is returned.
    pub fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> bool {
        let start = self.bytes.len();
        let name = name.as_ref();
        let added = self.push_lower(name, value);
        if added {
            self.bytes[start..start + name.len()].make_ascii_lowercase();
        }
        added
    }

    /// Adds a field whose name is in lower case already, as libraries give them.
    pub fn push_lower(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> bool {
        let (name, value) = (name.as_ref(), value.as_ref());
        let name_end = self.bytes.len() + name.len();
        let (Ok(name_at), Ok(value_at)) = (u32::try_from(name_end), u32::try_from(name_end + value.len())) else {
            return false;
        };
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        self.ends.push((name_at, value_at));
        true
    }

    /// The fields in order: (name, value).
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> + Clone {
        (0..self.ends.len()).map(|i| {
            let start = if i == 0 { 0 } else { self.ends[i - 1].1 as usize };
            let (name_end, value_end) = (self.ends[i].0 as usize, self.ends[i].1 as usize);
            (&self.bytes[start..name_end], &self.bytes[name_end..value_end])
        })
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
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Room for so many bytes, and so many fields.
    pub(super) fn capacity(&self) -> (usize, usize) {
        (self.bytes.capacity(), self.ends.capacity())
    }

    /// The bytes of all names and values together.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }
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
    }
}
