//! Looking at recorded traffic: what an engineer reaches for first.

mod curl;
pub(crate) mod escape;
mod http;
mod json;
mod look;
mod output;
mod table;

pub use look::print;
pub use output::{Output, OutputParseError};
