//! What the tests of this crate share: recorded traffic, and a receiver for it.

mod receiver;
mod recording;

pub(crate) use receiver::Receiver;
pub(crate) use recording::{Recording, exchange};
