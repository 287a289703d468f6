//! The places of one window's exchanges, in the order in which they arrived.

use std::time::Duration;

use umbra_common::time::Timestamp;

use super::Place;

/// Gives each exchange its place.
///
/// **Invariant**: every exchange of the window is given one, also those that other shards send. So all shards have one
/// timetable, and shorten the same gaps.
#[derive(Debug)]
pub struct Timetable {
    longest_gap: Option<Duration>,
    index: u64,
    first: Option<Timestamp>,
    /// The latest arrival so far.
    last: Timestamp,
    /// How much has been cut out of gaps so far.
    cut: Duration,
}

impl Timetable {
    /// An empty one. Gaps without an arrival that are longer than `longest_gap` become as long as that.
    pub fn new(longest_gap: Option<Duration>) -> Self {
        Self::resumed(longest_gap, 0)
    }

    /// One that goes on behind the first so many places.
    pub fn resumed(longest_gap: Option<Duration>, index: u64) -> Self {
        Self { longest_gap, index, first: None, last: Timestamp::ZERO, cut: Duration::ZERO }
    }

    /// The next one's place. One that comes out of order lies where it arrived, which is in the past.
    pub fn next(&mut self, arrival: Timestamp) -> Place {
        let is_first = self.first.is_none();
        let first = *self.first.get_or_insert(arrival);
        if !is_first && let Some(longest) = self.longest_gap {
            self.cut += arrival.since(self.last).saturating_sub(longest);
        }
        self.last = self.last.max(arrival);
        let index = self.index;
        self.index += 1;
        Place { index, elapsed: arrival.since(first).saturating_sub(self.cut) }
    }

    /// How long after the first one the latest one so far is.
    pub fn length(&self) -> Duration {
        self.elapsed(self.last).unwrap_or_default()
    }

    /// How long after the first one something at this moment would be, once there is a first one.
    pub fn elapsed(&self, at: Timestamp) -> Option<Duration> {
        Some(at.since(self.first?).saturating_sub(self.cut))
    }

    /// How many places there are before the next one.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How much shorter the window has become by its gaps.
    pub fn cut(&self) -> Duration {
        self.cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(nanos: u64) -> Timestamp {
        Timestamp::ZERO.after(Duration::from_nanos(nanos))
    }

    #[test]
    fn a_gap_is_as_long_as_it_may_be() {
        let second = Duration::from_secs(1);
        let mut table = Timetable::new(Some(5 * second));
        let arrivals = [0u64, 2, 62, 63, 3600];
        let elapsed = arrivals.map(|s| table.next(at(s * 1_000_000_000)).elapsed.as_secs());
        assert_eq!(elapsed, [0, 2, 7, 8, 13]);
        assert_eq!(table.cut(), Duration::from_secs(3587));
        assert_eq!(table.length(), Duration::from_secs(13));
        assert_eq!(table.elapsed(at(3610 * 1_000_000_000)), Some(Duration::from_secs(23)));
        let mut whole = Timetable::new(None);
        assert_eq!(arrivals.map(|s| whole.next(at(s * 1_000_000_000)).elapsed.as_secs()), arrivals);
    }

    proptest! {
        /// Places count up; what is shorter than the limit keeps its length to the nanosecond, and nothing is longer.
        #[test]
        fn only_long_gaps_change(gaps in prop::collection::vec(0u64..1 << 34, 1..80), longest in 1u64..1 << 34) {
            let mut table = Timetable::new(Some(Duration::from_nanos(longest)));
            let mut arrival = 1 << 40;
            let mut last = table.next(at(arrival));
            for (count, gap) in gaps.iter().enumerate() {
                arrival += gap;
                let place = table.next(at(arrival));
                prop_assert_eq!(place.index, count as u64 + 1);
                prop_assert_eq!(place.elapsed - last.elapsed, Duration::from_nanos(*gap.min(&longest)));
                last = place;
            }
            let whole: u64 = gaps.iter().sum();
            prop_assert_eq!(last.elapsed + table.cut(), Duration::from_nanos(whole));
        }
    }
}
