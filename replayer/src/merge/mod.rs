//! Putting the records of several partitions into the order in which the requests arrived.

mod footprint;
mod heap;
mod ordered;

pub use footprint::Footprint;
pub use heap::Merge;
pub use ordered::{Admitted, Ordered, Step};
