//! When each shadow request is due, and waiting for it.

mod pace;
mod ramp;
mod shard;
mod speed;

pub use pace::{Pace, RateOrMax};
pub use ramp::{Ramp, RampParseError};
pub use shard::{Shard, ShardParseError};
pub use speed::{Speed, SpeedParseError};
