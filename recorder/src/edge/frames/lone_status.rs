//! A response that is nothing but a status: the library's own, since every other has a `date`.

/// The longest that one is: a literal of three digits (RFC 7541, 6.2.1), or an index of any size (6.1).
const MOST: usize = 5;
/// A literal whose name is entry 8, `:status`, and its length with Huffman's code: three digits fit three bytes.
const LITERAL: [u8; 2] = [0x48, 0x83];
/// The bit of an index, and the value that means that more bytes follow (RFC 7541, 5.1).
const INDEX: u8 = 0x80;
const LONG_INDEX: u8 = 0xff;

/// A header block of a size that one may have.
#[derive(Debug)]
pub(super) struct LoneStatus {
    bytes: [u8; MOST],
    had: usize,
    length: usize,
}

impl LoneStatus {
    /// For a block of this length, where it may be one.
    pub(super) fn of(length: usize) -> Option<Self> {
        (1..=MOST).contains(&length).then_some(Self { bytes: [0; MOST], had: 0, length })
    }

    /// Takes the block's next bytes. Says at the end whether it is one.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Option<bool> {
        let some = bytes.len().min(self.length - self.had);
        self.bytes[self.had..self.had + some].copy_from_slice(&bytes[..some]);
        self.had += some;
        (self.had == self.length).then(|| is_one_field(&self.bytes[..self.length]))
    }
}

fn is_one_field(block: &[u8]) -> bool {
    match block {
        [LONG_INDEX, more @ .., last] => last & INDEX == 0 && more.iter().all(|byte| byte & INDEX != 0),
        [index] => index & INDEX != 0,
        _ => block.len() == MOST && block.starts_with(&LITERAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_told_from_a_status_with_a_date() {
        for (block, expected) in [
            (&[0xbe][..], true),
            (&[0x48, 0x83, 0x69, 0x90, 0xff], true),
            (&[0xff, 0x05], true),
            (&[0xff, 0x85, 0x01], true),
            (&[0x88, 0xbe], false),
            (&[0xff, 0x05, 0xbe], false),
            (&[0x89, 0x88, 0xc0, 0xc1, 0xc2], false),
            (&[0x20], false),
        ] {
            let mut status = LoneStatus::of(block.len()).unwrap();
            let mut said = block.iter().map(|byte| status.feed(&[*byte])).collect::<Vec<_>>();
            assert_eq!(said.pop().flatten(), Some(expected), "{block:x?}");
            assert!(said.iter().all(Option::is_none));
        }
        assert!(LoneStatus::of(0).is_none() && LoneStatus::of(6).is_none());
    }
}
