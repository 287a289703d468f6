//! Reading exchanges out of the store.

mod filter;

pub use filter::Filter;
