//! Finds where frames begin in a stream of bytes that comes in any stretches.

const HEAD: usize = 9;

/// What a frame says of itself first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl FrameHead {
    fn of(bytes: [u8; HEAD]) -> Self {
        let [a, b, c, kind, flags, stream @ ..] = bytes;
        Self {
            length: usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c),
            kind,
            flags,
            // The first bit has no meaning.
            stream: u32::from_be_bytes(stream) & (u32::MAX >> 1),
        }
    }
}

/// A place in a stream of frames.
#[derive(Debug)]
pub(super) struct Cursor {
    head: [u8; HEAD],
    /// Of the next head.
    had: usize,
    /// Of what is before it.
    left: usize,
}

/// A stretch of the bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A frame begins.
    Head(FrameHead),
    /// Some of the last frame's payload.
    Payload(&'a [u8]),
}

impl Cursor {
    /// A place before the first frame, with `ahead` bytes that belong to none.
    pub(super) fn new(ahead: usize) -> Self {
        Self { head: [0; HEAD], had: 0, left: ahead }
    }

    /// Whether the last frame has ended and none has begun.
    pub(super) fn is_between(&self) -> bool {
        self.left == 0 && self.had == 0
    }

    /// Takes the next piece off the bytes; nothing where they are used up.
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Piece<'a>> {
        if self.left > 0 && !bytes.is_empty() {
            let (payload, rest) = bytes.split_at(self.left.min(bytes.len()));
            self.left -= payload.len();
            *bytes = rest;
            return Some(Piece::Payload(payload));
        }
        let (some, rest) = bytes.split_at((HEAD - self.had).min(bytes.len()));
        self.head[self.had..self.had + some.len()].copy_from_slice(some);
        self.had += some.len();
        *bytes = rest;
        if self.had < HEAD {
            return None;
        }
        let head = FrameHead::of(self.head);
        (self.had, self.left) = (0, head.length);
        Some(Piece::Head(head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn heads(cursor: &mut Cursor, mut bytes: &[u8]) -> Vec<(FrameHead, usize)> {
        let mut heads: Vec<(FrameHead, usize)> = Vec::new();
        while let Some(piece) = cursor.next(&mut bytes) {
            match (piece, heads.last_mut()) {
                (Piece::Head(head), _) => heads.push((head, 0)),
                (Piece::Payload(payload), Some((_, had))) => *had += payload.len(),
                (Piece::Payload(_), None) => {}
            }
        }
        heads
    }

    #[test]
    fn a_frame_is_nine_bytes_and_its_payload() {
        let bytes = b"ahead\x00\x00\x03\x07\x05\x80\x00\x00\x09abc\x00\x00\x00\x04\x01\x00\x00\x00\x00";
        let found = heads(&mut Cursor::new(5), bytes);
        let goaway = FrameHead { length: 3, kind: 7, flags: 5, stream: 9 };
        assert_eq!(found, [(goaway, 3), (FrameHead { length: 0, kind: 4, flags: 1, stream: 0 }, 0)]);
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            frames in proptest::collection::vec((0usize..40, any::<u8>(), any::<u8>(), 0u32..9), 0..20),
            cut in 1usize..30,
        ) {
            let mut bytes = Vec::new();
            for (length, kind, flags, stream) in &frames {
                bytes.extend_from_slice(&[0, 0, *length as u8, *kind, *flags]);
                bytes.extend_from_slice(&stream.to_be_bytes());
                bytes.extend(vec![0xff; *length]);
            }
            let (mut cursor, mut found) = (Cursor::new(0), Vec::new());
            for stretch in bytes.chunks(cut) {
                found.extend(heads(&mut cursor, stretch));
            }
            let found: Vec<_> = found.iter().map(|(f, _)| (f.length, f.kind, f.flags, f.stream)).collect();
            prop_assert_eq!(found, frames);
            prop_assert!(cursor.is_between());
        }
    }
}
