//! When each shadow request is due, and waiting for it.
//!
//! **Invariant**: schedules are absolute. A due time follows from the start and the recording (or the rate) alone, so an
//! error in one sending never moves the next.

mod dispatch;
mod pace;
mod ramp;
mod shard;
mod speed;
mod start_line;
mod timetable;
mod turn;

pub use dispatch::{Due, Scheduled, dispatch};
pub use pace::{Pace, RateOrMax};
pub use ramp::{Ramp, RampParseError};
pub use shard::{Shard, ShardParseError};
pub use speed::{Speed, SpeedParseError};
pub use start_line::StartLine;
pub use timetable::Timetable;
pub use turn::{Capped, OnSchedule, RateShare, Turn};
