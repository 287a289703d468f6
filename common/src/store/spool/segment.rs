//! The bytes of a segment file: a mark and a version, then records, each with its length and a checksum.
//!
//! ```text
//! UMBSPL 1 │ length u32 │ crc32 of what follows u32 │ id 16 │ arrival u64 │ key's length u32 │ key │ value │ length …
//! ```
//!
//! Numbers are little-endian; a length counts what follows the checksum.

use std::io::{self, Read};

use crate::codec::MAX_RECORD;
use crate::exchange::ExchangeId;
use crate::time::Timestamp;

/// What a segment begins with. Another version would be another last byte.
pub(super) const HEAD: [u8; 7] = *b"UMBSPL\x01";
const FRAME: usize = 8;
const FIXED: usize = 28;
/// A session key is short; this is far beyond.
const LONGEST_KEY: usize = 1 << 20;

/// One record as it is kept: what the store needs of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) key: Vec<u8>,
    pub(super) id: ExchangeId,
    pub(super) arrival: Timestamp,
    pub(super) value: Vec<u8>,
}

impl Kept {
    /// The bytes that it takes in a segment.
    pub(super) fn frame_len(&self) -> u64 {
        (FRAME + FIXED + self.key.len() + self.value.len()) as u64
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) {
        let start = to.len();
        to.extend_from_slice(&((FIXED + self.key.len() + self.value.len()) as u32).to_le_bytes());
        to.extend_from_slice(&[0; 4]);
        to.extend_from_slice(&self.id.to_bytes());
        to.extend_from_slice(&self.arrival.as_nanos().to_le_bytes());
        to.extend_from_slice(&(self.key.len() as u32).to_le_bytes());
        to.extend_from_slice(&self.key);
        to.extend_from_slice(&self.value);
        let crc = crc32fast::hash(&to[start + FRAME..]).to_le_bytes();
        to[start + 4..start + FRAME].copy_from_slice(&crc);
    }
}

/// What reading one record gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A record.
    Record(Kept),
    /// The file ends here.
    End,
    /// What is here is no record: its writer ended in the middle, or the file is damaged.
    Broken,
}

/// Reads the next record.
pub(super) fn read(from: &mut impl Read) -> io::Result<Frame> {
    let mut frame = [0; FRAME];
    match fill(from, &mut frame)? {
        0 => return Ok(Frame::End),
        FRAME => {}
        _ => return Ok(Frame::Broken),
    }
    let length = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]) as usize;
    let crc = u32::from_le_bytes([frame[4], frame[5], frame[6], frame[7]]);
    if !(FIXED..=FIXED + LONGEST_KEY + MAX_RECORD).contains(&length) {
        return Ok(Frame::Broken);
    }
    let mut body = Vec::new();
    // Not allocated at once: a length that is wrong costs no memory.
    from.take(length as u64).read_to_end(&mut body)?;
    if body.len() < length || crc32fast::hash(&body) != crc {
        return Ok(Frame::Broken);
    }
    Ok(parse(&body).map_or(Frame::Broken, Frame::Record))
}

fn parse(body: &[u8]) -> Option<Kept> {
    let (id, rest) = body.split_first_chunk::<16>()?;
    let (arrival, rest) = rest.split_first_chunk::<8>()?;
    let (key, rest) = rest.split_first_chunk::<4>()?;
    let (key, value) = rest.split_at_checked(u32::from_le_bytes(*key) as usize)?;
    Some(Kept {
        key: key.to_vec(),
        id: ExchangeId::from_bytes(*id),
        arrival: Timestamp::from_nanos(u64::from_le_bytes(*arrival)),
        value: value.to_vec(),
    })
}

/// As many bytes as there are, up to all of them.
fn fill(from: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match from.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kept(n: u64, key: usize, value: usize) -> Kept {
        let arrival = Timestamp::from_nanos(n);
        Kept { key: vec![b'k'; key], id: ExchangeId::new(arrival, n), arrival, value: vec![n as u8; value] }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_a_cut_anywhere_is_seen(
            sizes in proptest::collection::vec((0usize..40, 0usize..300), 0..6),
            cut in 0usize..2000,
        ) {
            let all: Vec<_> = sizes.iter().enumerate().map(|(n, (key, value))| kept(n as u64, *key, *value)).collect();
            let mut bytes = Vec::new();
            let mut ends = vec![0];
            for one in &all {
                one.write(&mut bytes);
                ends.push(bytes.len());
                prop_assert_eq!(one.frame_len() as usize, ends[ends.len() - 1] - ends[ends.len() - 2]);
            }
            let cut = cut.min(bytes.len());
            let mut from = &bytes[..cut];
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            for one in &all[..whole] {
                prop_assert_eq!(read(&mut from).unwrap(), Frame::Record(one.clone()));
            }
            let end = if ends.contains(&cut) { Frame::End } else { Frame::Broken };
            prop_assert_eq!(read(&mut from).unwrap(), end);
        }

        #[test]
        fn any_changed_byte_is_seen(at in 0usize..64, to in any::<u8>()) {
            let mut bytes = Vec::new();
            kept(1, 8, 20).write(&mut bytes);
            let before = bytes[at];
            bytes[at] = to;
            let read = read(&mut &bytes[..]).unwrap();
            prop_assert!(before == to || read == Frame::Broken, "{read:?}");
        }
    }
}
