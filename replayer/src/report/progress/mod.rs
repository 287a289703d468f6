//! Progress on a terminal: how far each target's lane is, while the run goes on. Nothing anywhere else.

mod forecast;
mod line;
mod meter;

pub use forecast::Extent;

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::lane::Lane;
use crate::schedule::{Control, StartLine};
use forecast::{Forecast, Now};
use line::Line;
use meter::Meter;

/// Where progress is drawn, and what the log has to write around.
static BAR: LazyLock<ProgressBar> = LazyLock::new(ProgressBar::hidden);

/// As often as an eye can follow.
const EVERY: Duration = Duration::from_millis(200);
/// The width of a terminal that does not say its own.
const WIDTH: usize = 80;

/// A line for each target, on standard error where that is a terminal.
pub struct Progress {
    control: Arc<Control>,
    /// The common start; nothing for a run without a schedule.
    line: Option<Arc<StartLine>>,
    lanes: Vec<Shown>,
    shown: Option<Instant>,
}

struct Shown {
    forecast: Forecast,
    meter: Meter,
}

impl Progress {
    /// For lanes that go so far, in their order.
    pub fn start(extents: Vec<Extent>, line: Option<Arc<StartLine>>, control: Arc<Control>) -> Self {
        if io::stderr().is_terminal() {
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                BAR.set_style(style);
            }
            BAR.set_draw_target(ProgressDrawTarget::stderr());
        }
        let lanes =
            extents.into_iter().map(|extent| Shown { forecast: Forecast::new(extent), meter: Meter::default() });
        Self { control, line, lanes: lanes.collect(), shown: None }
    }

    /// Shows every lane's state.
    pub fn show(&mut self, lanes: &[Lane]) {
        let now = Instant::now();
        if BAR.is_hidden() || self.shown.is_some_and(|at| now.duration_since(at) < EVERY) {
            return;
        }
        self.shown = Some(now);
        let orders = self.control.orders();
        let start = self.line.as_ref().and_then(|line| line.start());
        let width = terminal_size::terminal_size_of(io::stderr()).map_or(WIDTH, |(width, _)| usize::from(width.0));
        let mut lines = Vec::new();
        for (lane, shown) in lanes.iter().zip(&mut self.lanes) {
            let counts = lane.ledger.snapshot();
            let in_flight = u64::try_from(lane.live.in_flight()).unwrap_or(0);
            let sent = counts.state("answered") + counts.state("failed") + in_flight;
            shown.meter.note(now, sent, counts.ended());
            let (part, left) = shown.forecast.at(&Now {
                running: start.map(|start| now.saturating_duration_since(start)),
                orders: &orders,
                now,
                sent,
                ended: counts.ended(),
                ended_per_second: shown.meter.ended_per_second(),
                lag: lane.live.lag(),
                behind: lane.live.behind(),
                schedule: lane.live.schedule(),
                is_spared: lane.strain.limit().is_some(),
            });
            let line = Line {
                target: lane.target.name.to_string(),
                broken: lane.breaker.open_since().map(|since| now.saturating_duration_since(since)),
                part,
                left,
                rate: shown.meter.sent_per_second(),
                lag: lane.live.lag(),
                errors: lane.errors(),
                in_flight,
            };
            lines.push(line.fit(width));
        }
        BAR.set_message(lines.join("\n"));
    }

    /// Takes the lines away.
    pub fn clear(self) {
        BAR.finish_and_clear();
        BAR.set_draw_target(ProgressDrawTarget::hidden());
        BAR.reset();
    }
}

/// Standard error for whoever writes while progress is shown: what is written stands above it and stays.
pub fn beside_progress() -> impl Write {
    Beside
}

struct Beside;

impl Write for Beside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        BAR.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
