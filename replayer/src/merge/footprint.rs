//! What an item takes in memory while it waits for its turn.

use umbra_common::exchange::Exchange;

/// Something that is held back, and knows what that costs.
pub trait Footprint {
    /// What it holds on the heap, in bytes; its own size comes on top.
    fn footprint(&self) -> usize;
}

impl Footprint for () {
    fn footprint(&self) -> usize {
        0
    }
}

impl Footprint for Box<Exchange> {
    fn footprint(&self) -> usize {
        Exchange::footprint(self)
    }
}
