//! Progress on a terminal; nothing anywhere else.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::lane::Lane;

/// A bar on standard error.
pub struct Progress {
    bar: ProgressBar,
    shown: Option<Instant>,
}

/// As often as an eye can follow.
const EVERY: Duration = Duration::from_millis(200);

impl Progress {
    /// For a run over at most so many records, which every target reads.
    pub fn start(records: u64) -> Self {
        Self::with(ProgressBar::new(records), "{bar:30} {pos}/{len} {msg}")
    }

    /// For a run without an end.
    pub fn without_end() -> Self {
        Self::with(ProgressBar::no_length(), "{spinner} {pos} {msg}")
    }

    fn with(bar: ProgressBar, style: &str) -> Self {
        let to =
            if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        bar.set_draw_target(to);
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Self { bar, shown: None }
    }

    /// Shows the slowest lane's state.
    pub fn show(&mut self, lanes: &[Lane]) {
        if self.bar.is_hidden() || self.shown.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        self.shown = Some(Instant::now());
        let Some(slowest) = lanes.iter().min_by_key(|lane| lane.ledger.snapshot().ended()) else { return };
        let counts = slowest.ledger.snapshot();
        self.bar.set_position(counts.ended());
        self.bar.set_message(format!(
            "{}: answered {}, failed {}, in flight {}, lag {:.1} ms",
            slowest.target.name,
            counts.state("answered"),
            counts.state("failed"),
            slowest.live.in_flight(),
            slowest.live.lag().max(slowest.live.behind()).as_secs_f64() * 1e3,
        ));
    }

    /// Takes the bar away.
    pub fn clear(self) {
        self.bar.finish_and_clear();
    }
}
