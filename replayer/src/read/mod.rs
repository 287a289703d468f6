//! What is read of the log: which exchanges are meant.

mod condition;
mod filter;
mod names;
mod variables;

pub use condition::{Condition, ConditionParseError};
pub use filter::Filter;
pub use names::Unknown;
