//! When each shadow request is due, and waiting for it.
//!
//! **Invariant**: schedules are absolute. A due time follows from the start and the recording (or the rate) alone, so an
//! error in one sending never moves the next.
//!
//! A [`Timetable`] gives each exchange its place in the window while it is read. The [`Dispatcher`] asks the [`Pacer`] when
//! it leaves: the [`Course`] says when it is due, a [`Limit`] and a [`Throttle`] when it may. All of these are told the time; the
//! dispatcher alone looks at a clock.

mod alarm;
mod answers;
mod behind;
mod cap;
mod control;
mod course;
mod dispatch;
mod goals;
mod intake;
mod limit;
mod pace;
mod pacer;
mod place;
mod ramp;
mod repeat;
mod seam;
mod shard;
mod share;
mod speed;
mod start_line;
mod steps;
mod strain;
mod throttle;
mod timetable;

pub use alarm::Alarm;
pub use answers::Answers;
pub use behind::{Behind, BehindParseError};
pub use cap::Cap;
pub use control::{Control, Orders};
pub use course::Course;
pub use dispatch::{Dispatcher, Scheduled, Turn};
pub use goals::{Goals, GoalsParseError};
pub use intake::{Handful, Inlet, Intake, intake};
pub use limit::Limit;
pub use pace::{Pace, RateOrMax};
pub use pacer::{Look, Pacer};
pub use place::{Place, Slot};
pub use ramp::{Ramp, RampParseError};
pub use repeat::{Repeat, RepeatParseError};
pub use seam::Seam;
pub use shard::{Shard, ShardParseError};
pub use share::RateShare;
pub use speed::{Speed, SpeedParseError};
pub use start_line::StartLine;
pub use steps::{Steps, StepsParseError};
pub use strain::{Spared, Strain};
pub use throttle::Throttle;
pub use timetable::Timetable;
