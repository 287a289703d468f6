//! The places of one window's exchanges, in the order in which they arrived.

use std::collections::VecDeque;
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
    /// The latest of the gaps that were cut, in order: one that comes out of order may show that there was none.
    gaps: VecDeque<Gap>,
}

/// A stretch without an arrival that is longer than it may be.
#[derive(Clone, Copy, Debug)]
struct Gap {
    from: Timestamp,
    to: Timestamp,
}

impl Gap {
    fn cut(self, longest: Duration) -> Duration {
        self.to.since(self.from).saturating_sub(longest)
    }
}

/// What comes out of order comes soon after; older gaps stay as they were taken to be.
const GAPS_KEPT: usize = 1024;

impl Timetable {
    /// An empty one. Gaps without an arrival that are longer than `longest_gap` become as long as that.
    pub fn new(longest_gap: Option<Duration>) -> Self {
        Self::resumed(longest_gap, 0)
    }

    /// One that goes on behind the first so many places.
    pub fn resumed(longest_gap: Option<Duration>, index: u64) -> Self {
        let (last, gaps) = (Timestamp::ZERO, VecDeque::new());
        Self { longest_gap, index, first: None, last, cut: Duration::ZERO, gaps }
    }

    /// The next one's place. One that comes out of order lies where it arrived, which is in the past; a gap that it was in
    /// becomes two, and what comes from here on has the places that it would have had in order.
    pub fn next(&mut self, arrival: Timestamp) -> Place {
        let is_first = self.first.is_none();
        let first = *self.first.get_or_insert(arrival);
        let mut later = Duration::ZERO;
        if !is_first && let Some(longest) = self.longest_gap {
            if arrival >= self.last {
                self.shorten(self.gaps.len(), Gap { from: self.last, to: arrival }, longest);
                if self.gaps.len() > GAPS_KEPT {
                    self.gaps.pop_front();
                }
            } else {
                later = self.fill(arrival, longest);
            }
        }
        self.last = self.last.max(arrival);
        let index = self.index;
        self.index += 1;
        Place { index, elapsed: arrival.since(first).saturating_sub(self.cut.saturating_sub(later)) }
    }

    /// Cuts a gap, where it is long enough to be one.
    fn shorten(&mut self, at: usize, gap: Gap, longest: Duration) {
        let cut = gap.cut(longest);
        if !cut.is_zero() {
            self.cut += cut;
            self.gaps.insert(at, gap);
        }
    }

    /// Takes note of an arrival before the last one; how much is cut behind it.
    fn fill(&mut self, arrival: Timestamp, longest: Duration) -> Duration {
        let at = self.gaps.partition_point(|gap| gap.to <= arrival);
        if let Some(gap) = self.gaps.get(at).copied().filter(|gap| gap.from < arrival) {
            self.gaps.remove(at);
            self.cut = self.cut.saturating_sub(gap.cut(longest));
            self.shorten(at, Gap { from: arrival, ..gap }, longest);
            self.shorten(at, Gap { to: arrival, ..gap }, longest);
        }
        let at = self.gaps.partition_point(|gap| gap.to <= arrival);
        self.gaps.range(at..).map(|gap| gap.cut(longest)).sum()
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

        /// Several partitions whose gaps do not coincide, merged in whatever order: the window becomes as long, and the next
        /// place is the same, as if all had come in order. Only the gaps that all have are cut.
        #[test]
        fn out_of_order_only_common_gaps_are_cut(
            mut rest in prop::collection::vec(1u64..2000, 1..60), longest in 1u64..400,
        ) {
            let mut in_order = rest.clone();
            in_order.sort_unstable();
            rest.push(4000);
            in_order.push(4000);
            let table = |arrivals: &[u64]| {
                let mut table = Timetable::new(Some(Duration::from_nanos(longest)));
                table.next(at(0));
                let last = arrivals.iter().map(|nanos| table.next(at(*nanos)).elapsed).last();
                (last, table.length(), table.cut())
            };
            prop_assert_eq!(table(&rest), table(&in_order));
        }
    }

    #[test]
    fn what_comes_late_from_before_a_gap_is_not_moved_by_it() {
        let mut table = Timetable::new(Some(Duration::from_nanos(5)));
        let elapsed = [0u64, 10, 1000, 9, 500, 1001].map(|nanos| table.next(at(nanos)).elapsed.as_nanos());
        // In order 9, 10, 500, 1000 and 1001 would be at 5, 6, 11, 16 and 17.
        assert_eq!(elapsed, [0, 5, 10, 5, 11, 17]);
    }

    #[test]
    fn gaps_without_number_take_no_memory_without_end() {
        let mut table = Timetable::new(Some(Duration::from_nanos(1)));
        let count = 3 * GAPS_KEPT as u64;
        (0..=count).for_each(|n| assert_eq!(table.next(at(n * 10)).elapsed.as_nanos(), n.into()));
        assert_eq!((table.gaps.len(), table.length().as_nanos()), (GAPS_KEPT, u128::from(count)));
    }
}
