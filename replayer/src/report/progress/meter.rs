//! How fast counts grow, over the last seconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Looks at two counts that grow.
#[derive(Debug, Default)]
pub(super) struct Meter {
    looks: VecDeque<Look>,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    at: Instant,
    sent: u64,
    ended: u64,
}

/// Long enough that a rate of one in a second reads as such, short enough to show a change.
const SPAN: Duration = Duration::from_secs(5);

impl Meter {
    /// The counts now.
    pub(super) fn note(&mut self, at: Instant, sent: u64, ended: u64) {
        self.looks.push_back(Look { at, sent, ended });
        // One look from before the span stays, so that what is left spans all of it.
        while self.looks.get(1).is_some_and(|second| at.duration_since(second.at) >= SPAN) {
            self.looks.pop_front();
        }
    }

    /// Requests that left, per second.
    pub(super) fn sent_per_second(&self) -> f64 {
        self.per_second(|look| look.sent)
    }

    /// Records that were dealt with, per second.
    pub(super) fn ended_per_second(&self) -> f64 {
        self.per_second(|look| look.ended)
    }

    fn per_second(&self, of: fn(&Look) -> u64) -> f64 {
        let (Some(first), Some(last)) = (self.looks.front(), self.looks.back()) else { return 0.0 };
        let span = last.at.duration_since(first.at).as_secs_f64();
        // What is in flight is read after what has ended, so that a sum can seem to shrink.
        let grown = of(last).saturating_sub(of(first));
        if span > 0.0 { grown as f64 / span } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_last_seconds() {
        let (mut meter, start) = (Meter::default(), Instant::now());
        assert_eq!(meter.sent_per_second(), 0.0);
        let mut sent = 0;
        for look in 0..200_u64 {
            // 100 in a second for 20 s, then 10.
            sent += if look < 100 { 20 } else { 2 };
            meter.note(start + Duration::from_millis(200 * look), sent, 3 * sent);
        }
        assert!((meter.sent_per_second() - 10.0).abs() < 0.1, "{}", meter.sent_per_second());
        assert!((meter.ended_per_second() - 30.0).abs() < 0.3, "{}", meter.ended_per_second());
        assert!(meter.looks.len() < 30);
    }
}
