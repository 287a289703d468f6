//! Points in time, stretches of it, and the grammar in which people give them.

mod duration;
mod timestamp;
mod when;
mod window;

pub use duration::{DurationParseError, HumanDuration};
pub use timestamp::Timestamp;
pub use when::{When, WhenParseError};
pub use window::{Window, WindowError};
