//! Where late records stand: for each partition, which arrivals may be found up to which offset.
//!
//! A window is found by time, and a record that came out of a spool hours late stands where nobody would look for it. So
//! whoever writes such records says so where every reader can ask: in what a consumer group of its own has committed for
//! the partition, as its metadata. A plan asks for it once, however long the log is.

use std::fmt;
use std::iter;
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Offset, TopicPartitionList};

use super::trouble::{self, Plain};
use crate::time::Window;

/// The group. Followers' groups have no dot.
pub(super) const GROUP: &str = "umbra.late";
/// Brokers keep at most 4096 bytes of metadata; a stretch in text has at most 60.
const MOST: usize = 48;
/// For the coordinator to answer.
pub(super) const ANSWER: Duration = Duration::from_secs(5);
/// For all attempts of a plan to learn what is marked: a coordinator may be on its way.
const ANSWERS: Duration = Duration::from_secs(30);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// Records that arrived from `from` to `to`, in milliseconds, may stand before the offset `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) end: i64,
}

/// The stretches of one partition, by time, apart from each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks(Vec<Stretch>);

impl Marks {
    /// Adds a stretch. Those that meet become one, and so do the nearest where there are too many.
    pub(super) fn add(&mut self, new: Stretch) {
        let meets = |s: &Stretch| s.from <= new.to && new.from <= s.to;
        let joined = self.0.extract_if(.., |s| meets(s)).fold(new, join);
        let at = self.0.partition_point(|s| s.from < joined.from);
        self.0.insert(at, joined);
        while self.0.len() > MOST {
            let nearest = (1..self.0.len()).min_by_key(|at| self.0[*at].from - self.0[at - 1].to);
            let Some(at) = nearest else { break };
            let second = self.0.remove(at);
            self.0[at - 1] = join(self.0[at - 1], second);
        }
    }

    pub(super) fn add_all(&mut self, others: &Self) {
        others.0.iter().for_each(|stretch| self.add(*stretch));
    }

    /// The first offset behind all records that arrived in a window and stand late.
    pub(super) fn end(&self, window: Window) -> Option<i64> {
        let (from, to) = (window.from().as_millis(), window.to().as_millis());
        self.0.iter().filter(|s| s.from <= to && from <= s.to).map(|s| s.end).max()
    }

    /// The first offset behind all late records.
    fn last(&self) -> i64 {
        self.0.iter().map(|s| s.end).max().unwrap_or(0)
    }
}

fn join(a: Stretch, b: Stretch) -> Stretch {
    Stretch { from: a.from.min(b.from), to: a.to.max(b.to), end: a.end.max(b.end) }
}

/// `FROM-TO@END FROM-TO@END`.
impl fmt::Display for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Stretch { from, to, end }) in self.0.iter().enumerate() {
            write!(f, "{}{from}-{to}@{end}", if i > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

/// What does not read is left out: somebody else's, or a later release's.
impl FromStr for Marks {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let stretch = |one: &str| {
            let (times, end) = one.split_once('@')?;
            let (from, to) = times.split_once('-')?;
            Some(Stretch { from: from.parse().ok()?, to: to.parse().ok()?, end: end.parse().ok()? })
        };
        let mut marks = Self::default();
        text.split(' ').filter_map(stretch).for_each(|s| marks.add(s));
        Ok(marks)
    }
}

/// What is marked in these partitions.
pub(super) fn read(
    consumer: &BaseConsumer<Plain>,
    topic: &str,
    partitions: impl IntoIterator<Item = i32>,
) -> KafkaResult<Vec<(i32, Marks)>> {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(topic, partition);
    }
    let committed = consumer.committed_offsets(list, ANSWER).map_err(|error| refusal(consumer).unwrap_or(error))?;
    let marks = |text: &str| text.parse().unwrap_or_default();
    committed.elements().iter().map(|e| e.error().map(|()| (e.partition(), marks(e.metadata())))).collect()
}

/// The same, asked until there is an answer or it is said that the group is not allowed.
pub(super) fn find(consumer: &BaseConsumer<Plain>, topic: &str, partitions: &[i32]) -> KafkaResult<Vec<(i32, Marks)>> {
    let until = Instant::now() + ANSWERS;
    loop {
        match read(consumer, topic, partitions.iter().copied()) {
            Err(error) if !trouble::is_fatal(&error) && Instant::now() < until => thread::sleep(PAUSE),
            answered => return answered,
        }
    }
}

/// What the brokers have said against the group. librdkafka asks for the coordinator of one that is not allowed for ever, so
/// that every question ends with its time; what it is told meanwhile is among the consumer's events.
fn refusal(consumer: &BaseConsumer<Plain>) -> Option<KafkaError> {
    iter::from_fn(|| consumer.poll(Duration::ZERO)).filter_map(Result::err).find(trouble::is_fatal)
}

/// Writes marks in the place of those that are there.
pub(super) fn write(consumer: &BaseConsumer<Plain>, topic: &str, marks: &[(i32, Marks)]) -> KafkaResult<()> {
    let mut list = TopicPartitionList::with_capacity(marks.len());
    for (partition, marks) in marks {
        let mut element = list.add_partition(topic, *partition);
        element.set_offset(Offset::Offset(marks.last()))?;
        element.set_metadata(marks.to_string());
    }
    consumer.commit(&list, rdkafka::consumer::CommitMode::Sync)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;
    use proptest::prelude::*;

    fn stretch() -> impl Strategy<Value = Stretch> {
        (0i64..100_000, 0i64..500, 0i64..1_000).prop_map(|(from, length, end)| Stretch { from, to: from + length, end })
    }

    proptest! {
        #[test]
        fn whatever_is_added_is_covered_and_read_as_it_is_written(all in proptest::collection::vec(stretch(), 0..200)) {
            let mut marks = Marks::default();
            all.iter().for_each(|s| marks.add(*s));
            prop_assert!(marks.0.len() <= MOST);
            prop_assert!(marks.0.is_sorted_by(|a, b| a.to < b.from));
            for s in &all {
                let millis = |m: i64| Timestamp::from_millis(m as u64);
                let window = Window::new(millis(s.from), millis(s.to + 1)).unwrap();
                prop_assert!(marks.end(window) >= Some(s.end), "{s:?} in {marks}");
            }
            prop_assert_eq!(marks.to_string().parse::<Marks>().unwrap(), marks);
        }
    }

    #[test]
    fn the_text_stays_within_what_brokers_keep() {
        let mut marks = Marks::default();
        (0..1000)
            .for_each(|i| marks.add(Stretch { from: i64::MAX - 10 * i - 1, to: i64::MAX - 10 * i, end: i64::MAX }));
        assert!(marks.to_string().len() <= 4096);
    }

    #[test]
    fn a_window_that_nothing_late_belongs_to_ends_where_it_did() {
        let marks: Marks = "1000-2000@7 garbage 9000-9500@99 1-x@3".parse().unwrap();
        let end = |from, to| marks.end(Window::new(Timestamp::from_millis(from), Timestamp::from_millis(to)).unwrap());
        assert_eq!([end(0, 900), end(0, 1500), end(3000, 8000), end(9400, 20_000)], [None, Some(7), None, Some(99)]);
    }
}
