//! What one hand-over carries.

use umbra_common::ledger::DropReason;

use crate::tap::{Draft, Packed};

/// So many records do not wait for others.
const FULL: usize = 1024;
/// Nor do so many bytes.
const FULL_BYTES: usize = 256 << 10;

/// A part of a batch's size, by which the next may be larger. With less than half of a block to give back, `close` moves nothing.
const SPARE: usize = 4;

/// Records in two blocks, however many they are: both threads go through them from the first byte to the last, and nothing
/// else of them goes from one processor to the other but large bodies.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    records: Vec<Packed>,
    /// The sections of all of them.
    bytes: Vec<u8>,
}

impl Batch {
    /// Makes room for as much as another has, and somewhat more: what does not fit is moved.
    pub(super) fn like(&mut self, (records, bytes): (usize, usize)) {
        self.records.reserve(records + records / SPARE);
        self.bytes.reserve(bytes + bytes / SPARE);
    }

    pub(super) fn add(&mut self, draft: Box<Draft>) {
        self.records.push(draft.pack(&mut self.bytes));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.records.len() >= FULL || self.bytes.len() >= FULL_BYTES
    }

    /// Lets go of room that it does not need: it may wait for long.
    pub(super) fn close(&mut self) {
        self.records.shrink_to_fit();
        self.bytes.shrink_to_fit();
    }

    /// How many records and bytes it has.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.records.len(), self.bytes.len())
    }

    /// Its records, and the bytes that they lie in.
    pub(crate) fn open(self) -> (Vec<Packed>, Vec<u8>) {
        (self.records, self.bytes)
    }

    /// Gives all of it up.
    pub(crate) fn drop_for(self, why: DropReason) {
        self.records.into_iter().for_each(|record| record.drop_for(why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Responses;
    use crate::tap::{Budget, Limits, RequestHead};
    use std::time::Instant;
    use umbra_common::ledger::Ledger;

    #[test]
    fn what_waits_holds_no_room_for_others_and_is_counted_when_it_is_given_up() {
        let (ledger, budget) = (Ledger::new(), Budget::new(1 << 20));
        let limits = Limits { body: 0, responses: Responses::Head };
        let head = RequestHead::wire((*b"GET / HTTP/1.0\r\n\r\n").into(), false);
        let draft = Draft::begun(ledger.open(), budget.take(100).unwrap(), limits, head, Instant::now());
        let mut batch = Batch::default();
        batch.like((FULL, FULL_BYTES));
        batch.add(Box::new(draft));
        batch.close();
        assert_eq!((batch.records.capacity(), batch.bytes.capacity()), batch.size());
        batch.drop_for(DropReason::QueueFull);
        assert_eq!(ledger.snapshot().to_string(), "seen 1 = dropped{queue_full} 1");
        assert_eq!(budget.used(), 0);
    }
}
