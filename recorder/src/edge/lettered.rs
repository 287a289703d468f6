//! The head of a response on its way to an HTTP/1 client, with names in the letters in which the origin wrote them.
//!
//! The library writes names small. They are set anew in the bytes that it writes: a head begins where the library had
//! nothing else left to write, which whoever gives it a response waits for.

use std::io::IoSlice;

use memchr::memmem::find;

use super::wire::set_names;

/// So much is written in one piece with a head: what is copied for less than a call with several parts costs.
const LITTLE: usize = 2 << 10;

/// Room that a connection keeps from one head to the next, also while it is idle: more than that is not worth an allocation.
const KEPT: usize = 512;

/// With more parts the rest waits for the next call. The library gives a head, and three for a chunk.
pub(super) const PARTS: usize = 8;

/// What is written instead of bytes of the library's, of the same length.
#[derive(Debug, Default)]
pub(super) struct Lettered {
    bytes: Vec<u8>,
    written: usize,
}

impl Lettered {
    /// Sets the names of the head that `parts` begin with as they `came`. Names that cannot be set stay small.
    pub(super) fn begin(&mut self, parts: &[IoSlice<'_>], came: &[u8]) {
        self.bytes.clear();
        self.written = 0;
        let Some((first, rest)) = parts.split_first() else { return };
        let start = behind_continue(first);
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        if length <= LITTLE {
            self.bytes.extend_from_slice(first);
            rest.iter().for_each(|part| self.bytes.extend_from_slice(part));
        } else {
            let Some(end) = find(&first[start..], b"\r\n\r\n") else { return };
            self.bytes.extend_from_slice(&first[..start + end + 4]);
        }
        set_names(&mut self.bytes[start..], came);
    }

    /// What is left to be written instead of as many bytes of the library's.
    pub(super) fn left(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// The library's parts with what is left in the place of their first bytes; and how many they are.
    pub(super) fn instead_of<'a>(&'a self, parts: &'a [IoSlice<'_>]) -> ([IoSlice<'a>; PARTS], usize) {
        let mut instead = [IoSlice::new(self.left()); PARTS];
        let (mut count, mut skipped) = (1, self.left().len());
        for part in parts {
            let skip = skipped.min(part.len());
            skipped -= skip;
            if skip < part.len() && count < PARTS {
                instead[count] = IoSlice::new(&part[skip..]);
                count += 1;
            }
        }
        (instead, count)
    }

    /// So many bytes have been written.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written = self.bytes.len().min(self.written + bytes);
        if self.written == self.bytes.len() && self.bytes.capacity() > KEPT {
            *self = Self::default();
        }
    }
}

/// Where the head of a final response begins: the library may have `100 Continue` still to write.
fn behind_continue(bytes: &[u8]) -> usize {
    const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    if bytes.starts_with(CONTINUE) { CONTINUE.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAME: &[u8] = b"HTTP/1.1 200 OK\r\nServer: x\r\nETag: 1\r\n\r\n";
    const OWN: &[u8] = b"HTTP/1.1 200 OK\r\netag: 1\r\nserver: x\r\ndate: d\r\n\r\n";
    const SET: &[u8] = b"HTTP/1.1 200 OK\r\nETag: 1\r\nServer: x\r\ndate: d\r\n\r\n";

    /// What comes out of `parts`, so many bytes at a time.
    fn written(parts: &[&[u8]], at_once: usize) -> Vec<u8> {
        let (all, mut done, mut lettered, mut out) = (parts.concat(), 0, Lettered::default(), Vec::new());
        let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
        lettered.begin(&slices, CAME);
        while done < all.len() {
            let rest = [IoSlice::new(&all[done..])];
            let (instead, count) = lettered.instead_of(if done == 0 { &slices } else { &rest });
            let bytes: Vec<u8> = instead[..count].iter().flat_map(|part| part.iter().copied()).take(at_once).collect();
            out.extend_from_slice(&bytes);
            lettered.wrote(bytes.len());
            done += bytes.len();
        }
        assert!(lettered.left().is_empty());
        out
    }

    #[test]
    fn a_head_is_set_and_what_follows_it_is_not_however_little_is_taken_at_once() {
        let goes_on = b"HTTP/1.1 100 Continue\r\n\r\n";
        for length in [0, 48, LITTLE, 3 * LITTLE] {
            let body = b"\r\nserver: ".repeat(length / 10);
            for at_once in [1, 7, 100, 1 << 20] {
                assert_eq!(written(&[OWN, &body], at_once), [SET, &body].concat());
                assert_eq!(written(&[&[goes_on, OWN].concat(), &body], at_once), [goes_on, SET, &body].concat());
                assert_eq!(
                    written(&[OWN, b"4\r\n", &body, b"\r\n"], at_once),
                    [SET, b"4\r\n", &body, b"\r\n"].concat()
                );
            }
        }
    }

    #[test]
    fn what_is_no_head_stays_as_it_is() {
        for bytes in [&b""[..], b"4\r\n", b"server", b"server: x\r\n\r\n"] {
            assert_eq!(written(&[bytes], 5), bytes);
        }
    }
}
