//! Looking at recorded traffic: what an engineer reaches for first.

mod curl;
pub(crate) mod escape;
mod grpc;
mod har;
mod http;
mod json;
mod look;
mod output;
mod prefix;
mod pretty;
mod printer;
mod screen;
mod table;
mod top;

pub(crate) use curl::shadow_command;
pub use look::print;
pub use output::{Output, OutputParseError};
pub use prefix::{IdPrefix, IdPrefixParseError};
pub use screen::Screen;
