//! What a follower asks for and the log does not have: removed by retention, or never there.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, RebalanceProtocol};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use super::group::Group;

/// For one question to a broker meanwhile.
const ANSWER: Duration = Duration::from_secs(5);
/// Before a broker is asked again that did not answer.
const RETRY: Duration = Duration::from_secs(1);
/// A log that loses records again and again is spoken of this often.
const SAY_EVERY: Duration = Duration::from_secs(30);

/// Leads partitions back into their logs, and counts what they have lost.
#[derive(Default)]
pub(super) struct Astray {
    /// From when on a partition may be asked for what it has not; which one is not said.
    since: Option<Instant>,
    gone: BTreeMap<i32, u64>,
    /// Where each partition was led last: from what came next, to where.
    led: BTreeMap<i32, (i64, i64)>,
    said: Option<Instant>,
}

impl Astray {
    /// A broker does not have what one of the partitions was asked for.
    pub(super) fn note(&mut self) {
        self.since = Some(Instant::now());
    }

    /// Whether there is anything to be done.
    pub(super) fn is_due(&self) -> bool {
        self.since.is_some_and(|at| at <= Instant::now())
    }

    /// How many positions of each partition were removed before they were read.
    pub(super) fn gone(&self) -> &BTreeMap<i32, u64> {
        &self.gone
    }

    /// Has every held partition go on where its log has what comes `next`.
    pub(super) fn lead(
        &mut self,
        consumer: &BaseConsumer<Group>,
        topic: &str,
        next: impl IntoIterator<Item = (i32, i64)>,
    ) {
        self.since = None;
        let (mut lost, mut led, mut places) = (BTreeMap::new(), BTreeMap::new(), TopicPartitionList::new());
        for (partition, read) in next {
            // Each partition is reported by itself: what is led may be asked about again before it has given anything.
            let next = self.led.get(&partition).filter(|(from, _)| *from == read).map_or(read, |(_, to)| *to);
            let Ok((low, high)) = consumer.fetch_watermarks(topic, partition, ANSWER) else {
                // Asked again later: it may be this one.
                self.since = Some(Instant::now() + RETRY);
                continue;
            };
            if let Some(gone) = u64::try_from(low - next).ok().filter(|gone| *gone > 0) {
                lost.insert(partition, gone);
            } else if next > high {
                tracing::warn!(
                    partition,
                    next,
                    high,
                    "the log is another one than before; following it from its beginning"
                );
            }
            // One that was right is asked once more: it may be the one that has stopped.
            let at = if (low..=high).contains(&next) { next } else { low };
            // The list is ours, and an offset is no wrong one.
            led.insert(partition, (read, at));
            let _ = places.add_partition_offset(topic, partition, Offset::Offset(at));
        }
        if self.since.is_some() && !matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative) {
            // All are taken up at once, or none.
            return;
        }
        match take_up(consumer, &places) {
            Ok(()) => {
                self.led.extend(led);
                self.count(&lost);
            }
            Err(error) => {
                tracing::debug!(%error, "partitions could not be asked again; a rebalance may be taking them away");
                self.since = Some(Instant::now() + RETRY);
            }
        }
    }

    fn count(&mut self, lost: &BTreeMap<i32, u64>) {
        lost.iter().for_each(|(partition, gone)| *self.gone.entry(*partition).or_default() += gone);
        if !lost.is_empty() && self.said.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
            self.said = Some(Instant::now());
            let partitions = &self.gone;
            tracing::warn!(
                ?partitions,
                "records were removed from the log before they were followed; going on behind them"
            );
        }
    }
}

/// Reads partitions that are held from these places on. One that has stopped cannot be sought in, so each is given up and
/// taken again: by itself, or where the group's protocol knows only the whole, as that.
fn take_up(consumer: &BaseConsumer<Group>, places: &TopicPartitionList) -> KafkaResult<()> {
    if places.count() == 0 {
        return Ok(());
    }
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => {
            consumer.incremental_unassign(places)?;
            consumer.incremental_assign(places)
        }
        _ => consumer.assign(places),
    }
}
