//! What came of a run.

mod account;
mod chart;
mod figure;
mod figures;
mod gate;
mod html;
mod live;
mod moments;
mod progress;
mod quantiles;
mod samples;
mod summary;
mod table;
mod trend;

pub use account::{Account, Receipt};
pub use figures::{Answer, Figures, Recorded};
pub use gate::{Gate, GateParseError, Verdict};
pub use html::html;
pub use live::{InFlight, Live};
pub use progress::{Extent, Progress, beside_progress};
pub use quantiles::{Quantiles, Times};
pub use samples::Sample;
pub use summary::{JobReport, Report, StatusPair, TargetReport, WindowReport};
pub use table::print_table;
