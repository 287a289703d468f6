//! What came of a run.

mod account;
mod figures;
mod gate;
mod live;
mod progress;
mod quantiles;
mod summary;
mod table;

pub use account::{Account, Receipt};
pub use figures::{Answer, Figures, Recorded};
pub use gate::{Gate, GateParseError};
pub use live::{InFlight, Live};
pub use progress::Progress;
pub use quantiles::{Quantiles, Times};
pub use summary::{JobReport, Report, StatusPair, TargetReport, WindowReport};
pub use table::print_table;
