//! Where one round of a window ends and the next begins.

use std::time::Duration;

use umbra_common::time::{Timestamp, Window};

/// Lays rounds end to end: one round is as long as from the first arrival to the last, and the mean gap between two. So the
/// next round's first exchange follows the last one as if it had been recorded there.
///
/// **Invariant**: round k begins exactly k rounds after the first, whenever anything was sent.
#[derive(Debug)]
pub struct Seam {
    window: Window,
    first: Option<Timestamp>,
    last: Timestamp,
    count: u64,
    span: Option<Duration>,
}

impl Seam {
    /// Of a window of which an earlier run may know something: its first arrival, how many came before what is read now,
    /// how long one round is.
    pub fn new(window: Window, first: Option<Timestamp>, count: u64, span: Option<Duration>) -> Self {
        Self { window, first, last: first.unwrap_or(Timestamp::ZERO), count, span }
    }

    /// An exchange of the window, whoever sends it.
    pub fn pass(&mut self, arrival: Timestamp) {
        if self.span.is_none() {
            self.first.get_or_insert(arrival);
            self.last = self.last.max(arrival);
            self.count += 1;
        }
    }

    /// The round has ended: from here on its length is known.
    pub fn close(&mut self) {
        let Some(first) = self.first else { return };
        let traffic = self.last.since(first);
        let gaps = u32::try_from(self.count.saturating_sub(1)).unwrap_or(u32::MAX);
        let span = if traffic.is_zero() || gaps == 0 { self.window.length() } else { traffic + traffic / gaps };
        self.span.get_or_insert(span);
    }

    /// When an exchange would have arrived, had the window been recorded once for each round.
    pub fn arrival(&self, arrival: Timestamp, round: u32) -> Timestamp {
        arrival.after(self.span.unwrap_or_default().saturating_mul(round))
    }

    /// When the first exchange arrived; nothing where there has been none.
    pub fn first(&self) -> Option<Timestamp> {
        self.first
    }

    /// How long one round is, once that is known.
    pub fn span(&self) -> Option<Duration> {
        self.span
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn seam(arrivals: &[u64]) -> Seam {
        let mut seam = Seam::new(Window::new(at(0), at(100)).unwrap(), None, 0, None);
        arrivals.iter().for_each(|s| seam.pass(at(*s)));
        seam.close();
        seam
    }

    #[test]
    fn the_next_round_follows_after_a_mean_gap() {
        let seam = seam(&[10, 12, 16]);
        assert_eq!(seam.span(), Some(Duration::from_secs(9)));
        assert_eq!([0, 1, 3].map(|round| seam.arrival(at(12), round)), [at(12), at(21), at(39)]);
    }

    #[test]
    fn without_a_gap_a_round_is_as_long_as_the_window() {
        assert_eq!(seam(&[10]).span(), Some(Duration::from_secs(100)));
        assert_eq!(seam(&[10, 10]).span(), Some(Duration::from_secs(100)));
        assert_eq!(seam(&[]).span(), None);
    }
}
