//! What came of a run.

mod gate;
mod quantiles;
mod summary;

pub use gate::{Gate, GateParseError};
pub use quantiles::{Quantiles, Times};
pub use summary::{Report, StatusPair, TargetReport, WindowReport};
