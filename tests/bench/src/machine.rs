//! What the figures were measured on, and what else ran there.

use std::fs::read_to_string;
use std::num::NonZero;

/// Runnable threads over the last minute.
pub fn load_average() -> Option<f64> {
    read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// Cores and, from the load before the run, whether the machine was quiet.
pub fn describe(before: Option<f64>) -> String {
    /// Below it, what else runs takes a few percent of a core.
    const QUIET: f64 = 0.3;
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    match before {
        Some(load) if load > QUIET => {
            format!("{cores} cores, a load average of {load} before the run: other work makes these figures noisy")
        }
        _ => format!("{cores} cores"),
    }
}
