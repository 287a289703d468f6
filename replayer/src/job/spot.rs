//! Where a record stands in a job: which time round, when it arrived, where in the log.

use std::collections::BTreeMap;

use umbra_common::store::{Plan, Position};
use umbra_common::time::Timestamp;

/// A record's place in the order in which a job sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    /// How often the window has been sent before.
    pub(crate) round: u32,
    /// When it arrived.
    pub(crate) arrival: Timestamp,
    /// Its partition.
    pub(crate) partition: i32,
    /// Its offset, as if the partition's part of the plan stood in the log as often as it is sent.
    pub(crate) at: i64,
}

impl Spot {
    /// Before every record.
    pub(super) const FIRST: Self = Self { round: 0, arrival: Timestamp::ZERO, partition: i32::MIN, at: i64::MIN };
}

/// A plan's partitions, laid end to end as often as the window is sent.
#[derive(Clone, Debug)]
pub(crate) struct Lengths(BTreeMap<i32, (i64, i64)>);

impl Lengths {
    /// Of a plan.
    pub(crate) fn of(plan: &Plan) -> Self {
        Self(plan.partitions.iter().map(|p| (p.partition, (p.from, p.to))).collect())
    }

    /// The offset of a position in a round.
    pub(crate) fn at(&self, position: Position, round: u32) -> i64 {
        position.offset + i64::from(round) * self.length(position.partition)
    }

    /// The offset in the log of one in a round.
    pub(crate) fn offset(&self, partition: i32, at: i64, round: u32) -> i64 {
        at - i64::from(round) * self.length(partition)
    }

    /// The round that an offset lies in; one at the end of a round lies in the next.
    pub(crate) fn round(&self, partition: i32, at: i64) -> u32 {
        let Some((from, to)) = self.0.get(&partition) else { return 0 };
        u32::try_from((at - from) / (to - from).max(1)).unwrap_or(0)
    }

    /// What of a round lies in `[from, to)` of a partition, as offsets of the log.
    pub(crate) fn within(&self, partition: i32, round: u32, from: i64, to: i64) -> Option<(i64, i64)> {
        let (first, end) = *self.0.get(&partition)?;
        let before = i64::from(round) * (end - first);
        let (from, to) = ((from - before).clamp(first, end), to.saturating_sub(before).clamp(first, end));
        (from < to).then_some((from, to))
    }

    /// The partitions, with the first offset of each.
    pub(crate) fn firsts(&self) -> impl Iterator<Item = (i32, i64)> + '_ {
        self.0.iter().map(|(partition, (from, _))| (*partition, *from))
    }

    fn length(&self, partition: i32) -> i64 {
        self.0.get(&partition).map_or(0, |(from, to)| to - from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use umbra_common::store::PartitionPlan;
    use umbra_common::time::Window;

    #[test]
    fn a_partition_is_laid_end_to_end() {
        let partitions = vec![PartitionPlan { partition: 3, from: 10, to: 14 }];
        let lengths = Lengths::of(&Plan { window: Window::ALL, partitions });
        let at = |offset, round| lengths.at(Position { partition: 3, offset }, round);
        assert_eq!((at(10, 0), at(13, 0), at(10, 1), at(12, 2)), (10, 13, 14, 20));
        assert_eq!([10, 13, 14, 20].map(|at| lengths.round(3, at)), [0, 0, 1, 2]);
        assert_eq!(lengths.within(3, 0, 12, i64::MAX), Some((12, 14)));
        assert_eq!(lengths.within(3, 1, 12, 16), Some((10, 12)));
        assert_eq!(lengths.within(3, 0, 14, 16), None);
        assert_eq!(lengths.within(4, 0, 0, 16), None);
    }
}
