//! The copy of one body: its beginning, and how long it was.

use std::borrow::Cow;

use umbra_common::exchange::Body;

use super::budget::{NoRoom, Permit};
use super::sections::{self, Sections};

/// What has been kept of a body so far.
///
/// The bytes are copied rather than shared: a shared chunk would keep the whole read buffer it was cut from alive, which
/// no budget sees.
#[derive(Debug, Default)]
pub(crate) struct BodyCopy {
    kept: Vec<u8>,
    length: u64,
}

/// Where more comes than a first chunk, room is made, and charged, in steps of at least this many bytes.
const STEP: usize = 1024;

/// A copy up to this size lies in its batch like the sections of a head: less work than to give a block to another thread, which
/// frees it there.
const LITTLE: usize = 4 << 10;

/// A copy on its way to the store's thread.
#[derive(Debug)]
pub(super) struct PackedBody {
    /// Nothing where it is a section of its batch.
    apart: Option<Vec<u8>>,
    length: u64,
}

impl BodyCopy {
    /// Takes a chunk, of which what is over `limit` is only counted.
    pub(crate) fn take(&mut self, chunk: &[u8], limit: usize, permit: &mut Permit) -> Result<(), NoRoom> {
        self.length += chunk.len() as u64;
        let keep = chunk.len().min(limit.saturating_sub(self.kept.len()));
        let needed = self.kept.len() + keep;
        if needed > self.kept.capacity() {
            // Most bodies are little and come at once. Else doubling keeps copying cheap; never beyond the limit, so that the
            // charge is what is held.
            let least = if self.kept.is_empty() { 0 } else { STEP.max(self.kept.capacity() * 2) };
            let room = needed.max(least).min(limit.max(needed));
            permit.grow((room - self.kept.capacity()) as u64)?;
            self.kept.reserve_exact(room - self.kept.len());
        }
        self.kept.extend_from_slice(&chunk[..keep]);
        Ok(())
    }

    /// Puts it behind what a batch holds.
    pub(super) fn pack(self, to: &mut Vec<u8>) -> PackedBody {
        let apart = if self.kept.len() > LITTLE {
            Some(self.kept)
        } else {
            sections::put(to, &self.kept);
            None
        };
        PackedBody { apart, length: self.length }
    }
}

impl PackedBody {
    /// As it is recorded.
    pub(super) fn unpack<'a>(self, from: &mut Sections<'a>) -> Body<Cow<'a, [u8]>> {
        let bytes: Cow<'a, [u8]> = self.apart.map_or_else(|| from.next().into(), Cow::from);
        let truncated = self.length > bytes.len() as u64;
        Body { bytes, length: self.length, truncated }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tap::budget::Budget;
    use proptest::prelude::*;

    /// As it comes out of a batch.
    fn body(copy: BodyCopy) -> Body<Vec<u8>> {
        let mut block = b"before".to_vec();
        let packed = copy.pack(&mut block);
        let Body { bytes, length, truncated } = packed.unpack(&mut Sections::new(&block, 6));
        Body { bytes: bytes.into_owned(), length, truncated }
    }

    #[test]
    fn a_body_over_the_limit_is_cut_and_its_length_known() {
        let budget = Budget::new(1 << 20);
        let mut permit = budget.take(0).unwrap();
        let mut copy = BodyCopy::default();
        for _ in 0..3 {
            copy.take(b"0123456789", 15, &mut permit).unwrap();
        }
        let body = body(copy);
        assert_eq!((&body.bytes[..], body.length, body.truncated), (&b"012345678901234"[..], 30, true));
    }

    #[test]
    fn a_body_that_the_budget_has_no_room_for_is_refused() {
        let budget = Budget::new(1500);
        let mut permit = budget.take(0).unwrap();
        let mut copy = BodyCopy::default();
        assert_eq!(copy.take(&[0; 1000], 1 << 20, &mut permit), Ok(()));
        assert_eq!(copy.take(&[0; 1000], 1 << 20, &mut permit), Err(NoRoom::Full));
    }

    #[test]
    fn a_body_that_comes_at_once_takes_no_more_than_it_is_and_one_that_does_not_has_room_for_more() {
        let budget = Budget::new(1 << 20);
        let mut permit = budget.take(0).unwrap();
        let mut copy = BodyCopy::default();
        for (chunk, held) in [(0, 0), (48, 48), (1, STEP), (STEP - 49, STEP), (1, 2 * STEP)] {
            copy.take(&vec![7; chunk], 1 << 20, &mut permit).unwrap();
            assert_eq!(budget.used(), held as u64, "{chunk}");
        }
    }

    #[test]
    fn what_is_little_lies_in_the_batch_and_what_is_not_keeps_its_block() {
        for (length, apart) in [(0, false), (LITTLE, false), (LITTLE + 1, true)] {
            let budget = Budget::new(1 << 20);
            let mut permit = budget.take(0).unwrap();
            let mut copy = BodyCopy::default();
            copy.take(&vec![7; length], 1 << 20, &mut permit).unwrap();
            let mut bytes = Vec::new();
            let packed = copy.pack(&mut bytes);
            assert_eq!((packed.apart.is_some(), bytes.len() > length), (apart, !apart), "{length}");
            let body = packed.unpack(&mut Sections::new(&bytes, 0));
            assert_eq!((&body.bytes[..], body.length, body.truncated), (&vec![7; length][..], length as u64, false));
        }
    }

    proptest! {
        #[test]
        fn the_charge_is_what_is_held(chunks in proptest::collection::vec(0usize..5000, 0..20), limit in 0usize..20_000) {
            let budget = Budget::new(u64::MAX);
            let mut permit = budget.take(0).unwrap();
            let mut copy = BodyCopy::default();
            for n in &chunks {
                copy.take(&vec![7; *n], limit, &mut permit).unwrap();
                prop_assert_eq!(budget.used(), copy.kept.capacity() as u64);
            }
            let total: usize = chunks.iter().sum();
            let body = body(copy);
            prop_assert_eq!(body.bytes.len(), total.min(limit));
            prop_assert_eq!((body.length, body.truncated), (total as u64, total > limit));
        }
    }
}
