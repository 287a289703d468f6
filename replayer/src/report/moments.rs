//! A run second by second: what was due, what left, how late.

use std::time::{Duration, Instant};

/// One count for each second of a run, from the first sending on. Twelve bytes a second.
#[derive(Debug, Default)]
pub(super) struct Moments {
    sent: Vec<u32>,
    due: Vec<u32>,
    lag_micros: Vec<u32>,
}

impl Moments {
    /// A request left at `at`, so long after the first did, and was due at `due`.
    pub(super) fn sent(&mut self, first: Instant, due: Option<Instant>, at: Instant) {
        *slot(&mut self.sent, first, at) += 1;
        if let Some(due) = due {
            *slot(&mut self.due, first, due) += 1;
            let lag = at.saturating_duration_since(due);
            let worst = slot(&mut self.lag_micros, first, at);
            *worst = (*worst).max(u32::try_from(lag.as_micros()).unwrap_or(u32::MAX));
        }
    }

    pub(super) fn per_second(&self) -> Vec<u32> {
        self.sent.clone()
    }

    pub(super) fn due_per_second(&self) -> Vec<u32> {
        self.due.clone()
    }

    pub(super) fn lag_ms_per_second(&self) -> Vec<f64> {
        self.lag_micros.iter().map(|micros| Duration::from_micros((*micros).into()).as_secs_f64() * 1e3).collect()
    }
}

fn slot(series: &mut Vec<u32>, first: Instant, at: Instant) -> &mut u32 {
    /// A run of ten years.
    const LONGEST: usize = 10 * 366 * 24 * 3600;
    let second = usize::try_from(at.saturating_duration_since(first).as_secs()).unwrap_or(LONGEST).min(LONGEST);
    if second >= series.len() {
        series.resize(second + 1, 0);
    }
    &mut series[second]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_what_was_due_and_what_left() {
        let first = Instant::now();
        let mut moments = Moments::default();
        let after = |millis| first + Duration::from_millis(millis);
        moments.sent(first, Some(first), first);
        moments.sent(first, Some(after(900)), after(1100));
        moments.sent(first, Some(after(2500)), after(2501));
        assert_eq!(moments.per_second(), [1, 1, 1]);
        assert_eq!(moments.due_per_second(), [2, 0, 1]);
        assert_eq!(moments.lag_ms_per_second(), [0.0, 200.0, 1.0]);
    }
}
