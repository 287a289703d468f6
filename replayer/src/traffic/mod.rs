//! Looking at recorded traffic.

mod output;

pub use output::{Output, OutputParseError};
