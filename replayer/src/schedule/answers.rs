//! How a target has answered lately.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// The answers of the last five seconds, in slices that are forgotten one by one.
#[derive(Debug, Default)]
pub struct Answers {
    slices: VecDeque<Slice>,
}

#[derive(Debug)]
struct Slice {
    begin: Instant,
    count: u64,
    errors: u64,
    latency: Option<Histogram<u64>>,
}

/// Long enough for a p99 of a hundred a second, short enough to see what a change of pace has done.
const WINDOW: Duration = Duration::from_secs(5);
const SLICE: Duration = Duration::from_millis(500);
const LONGEST_MICROS: u64 = 3_600_000_000;
/// Bounds have rarely more.
const DIGITS: u8 = 2;

impl Answers {
    /// One request has ended, after so long, where that is known.
    pub fn note(&mut self, now: Instant, latency: Option<Duration>, error: bool) {
        self.forget(now);
        if self.slices.back().is_none_or(|slice| now.saturating_duration_since(slice.begin) >= SLICE) {
            let latency = Histogram::new_with_bounds(1, LONGEST_MICROS, DIGITS).ok();
            self.slices.push_back(Slice { begin: now, count: 0, errors: 0, latency });
        }
        let Some(slice) = self.slices.back_mut() else { return };
        slice.count += 1;
        slice.errors += u64::from(error);
        if let (Some(all), Some(latency)) = (&mut slice.latency, latency) {
            all.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(LONGEST_MICROS).max(1));
        }
    }

    /// Forgets what is older than the window.
    pub fn forget(&mut self, now: Instant) {
        while self.slices.front().is_some_and(|slice| now.saturating_duration_since(slice.begin) >= WINDOW) {
            self.slices.pop_front();
        }
    }

    /// Forgets everything: it was another pace.
    pub fn clear(&mut self) {
        self.slices.clear();
    }

    /// When the oldest of them began to come.
    pub fn since(&self) -> Option<Instant> {
        self.slices.front().map(|slice| slice.begin)
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.slices.iter().map(|slice| slice.count).sum()
    }

    /// So many per mille took at most this long; nothing where nothing was answered.
    pub fn latency(&self, per_mille: u32) -> Option<Duration> {
        let mut slices = self.slices.iter().filter_map(|slice| slice.latency.as_ref());
        let mut all = slices.next()?.clone();
        // The same bounds throughout, so that this cannot fail.
        slices.for_each(|slice| all.add(slice).unwrap_or_default());
        (!all.is_empty()).then(|| Duration::from_micros(all.value_at_quantile(f64::from(per_mille) / 1000.0)))
    }

    /// The share of errors; nothing where nothing has ended.
    pub fn errors(&self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| self.slices.iter().map(|slice| slice.errors).sum::<u64>() as f64 / count as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_is_forgotten() {
        let (mut answers, start) = (Answers::default(), Instant::now());
        assert_eq!((answers.latency(500), answers.errors()), (None, None));
        (0..10).for_each(|_| answers.note(start, Some(Duration::from_secs(1)), true));
        let later = start + WINDOW - Duration::from_millis(1);
        (0..30).for_each(|_| answers.note(later, Some(Duration::from_millis(10)), false));
        assert_eq!((answers.count(), answers.errors()), (40, Some(0.25)));
        assert!(answers.latency(990).unwrap() >= Duration::from_secs(1));
        answers.forget(start + WINDOW);
        assert_eq!((answers.count(), answers.errors()), (30, Some(0.0)));
        assert!(answers.latency(990).unwrap() <= Duration::from_micros(10_200));
        answers.clear();
        assert_eq!(answers.count(), 0);
    }
}
