use proptest::prelude::*;

use super::*;

/// One message of a log: whose part it is (of how many), or a whole record.
#[derive(Clone, Debug)]
struct Logged {
    record: u8,
    part: Option<(u32, u32)>,
}

fn whole(record: u8) -> Logged {
    Logged { record, part: None }
}

fn part(record: u8, number: u32, of: u32) -> Logged {
    Logged { record, part: Some((number, of)) }
}

impl Logged {
    fn value(&self) -> Vec<u8> {
        vec![self.record, self.part.map_or(0, |(number, _)| number as u8)]
    }

    /// Every byte of the record that this is a message of.
    fn joined(&self) -> Vec<u8> {
        match self.part {
            None => self.value(),
            Some((_, of)) => (1..=of).flat_map(|n| part(self.record, n, of).value()).collect(),
        }
    }
}

fn feed(joiner: &mut Joiner, offset: i64, message: &Logged) -> Option<(i64, Vec<u8>)> {
    let part = message.part.map(|(number, of)| Part { id: [message.record].into(), number, of });
    let position = Position { partition: 0, offset };
    let piece = Piece { position, part, value: &message.value(), millis: Some(100) };
    joiner.take(piece).map(|(at, value)| (at.offset, value.into_owned()))
}

/// Everything that comes of a log from an offset on.
fn read(log: &[Logged], from: usize) -> Vec<(i64, Vec<u8>)> {
    let mut joiner = Joiner::new();
    log.iter().enumerate().skip(from).filter_map(|(o, m)| feed(&mut joiner, o as i64, m)).collect()
}

fn given_up(joiner: &mut Joiner) -> Vec<(i64, DecodeError)> {
    std::iter::from_fn(|| joiner.next_given_up()).map(|s| (s.position.offset, s.exchange.unwrap_err())).collect()
}

/// Records of one to six messages, shuffled all together.
fn logs() -> impl Strategy<Value = Vec<Logged>> {
    proptest::collection::vec(1u32..6, 1..12)
        .prop_map(|sizes| {
            let messages = |(record, of): (usize, u32)| match of {
                1 => vec![whole(record as u8)],
                of => (1..=of).map(|n| part(record as u8, n, of)).collect(),
            };
            sizes.into_iter().enumerate().flat_map(messages).collect::<Vec<_>>()
        })
        .prop_shuffle()
}

proptest! {
    #[test]
    fn every_record_comes_once_and_whole_in_whatever_order(log in logs()) {
        let read = read(&log, 0);
        let mut expected: Vec<_> = log.iter().map(Logged::joined).collect();
        let mut came: Vec<_> = read.iter().map(|(_, value)| value.clone()).collect();
        expected.sort();
        expected.dedup();
        came.sort();
        prop_assert_eq!(came, expected);
        prop_assert!(read.is_sorted_by(|a, b| a.0 < b.0));
    }

    /// Whatever is done when a reader ends, one that begins where it says loses nothing, and what comes again is
    /// known by its position.
    #[test]
    fn a_reader_that_begins_again_loses_nothing(log in logs(), done in 0usize..12) {
        let all = read(&log, 0);
        let done = done.min(all.len());
        let mut joiner = Joiner::new();
        let mut came = 0;
        let mut restart = 0;
        for (offset, message) in log.iter().enumerate() {
            came += usize::from(feed(&mut joiner, offset as i64, message).is_some());
            if came > 0 && came <= done {
                restart = joiner.restart(Position { partition: 0, offset: all[came - 1].0 });
            }
        }
        let upto = done.checked_sub(1).map_or(-1, |last| all[last].0);
        let again: Vec<_> = read(&log, restart as usize).into_iter().filter(|(at, _)| *at > upto).collect();
        prop_assert_eq!(&again[..], &all[done..]);
    }
}

#[test]
fn a_part_that_comes_twice_changes_nothing() {
    let log = [part(1, 1, 2), part(1, 1, 2), part(1, 2, 2), part(1, 2, 2), part(1, 1, 2), whole(2)];
    assert_eq!(read(&log, 0), [(2, part(1, 1, 2).joined()), (5, vec![2, 0])]);
}

#[test]
fn what_never_becomes_whole_is_told_and_holds_no_position() {
    let mut joiner = Joiner::new();
    for (offset, message) in [part(1, 1, 3), part(1, 3, 3), whole(2)].iter().enumerate() {
        feed(&mut joiner, offset as i64, message);
    }
    assert_eq!(joiner.restart(Position { partition: 0, offset: 2 }), 0, "its other part may still come");
    feed(&mut joiner, FAR + 2, &whole(3));
    assert_eq!(given_up(&mut joiner), [(1, DecodeError::Incomplete { came: 2, of: 3 })]);
    assert_eq!(joiner.restart(Position { partition: 0, offset: FAR + 2 }), FAR + 3);
    assert_eq!(joiner.bytes, 0);
}

#[test]
fn the_longest_silent_gives_way_when_the_budget_is_used_up() {
    let mut joiner = Joiner { budget: 3 * (PART_COST + 2), ..Joiner::new() };
    for (offset, message) in [part(1, 1, 9), part(2, 1, 9), part(1, 2, 9), part(3, 1, 9)].iter().enumerate() {
        feed(&mut joiner, offset as i64, message);
    }
    assert_eq!(given_up(&mut joiner), [(1, DecodeError::Incomplete { came: 1, of: 9 })]);
    assert!(joiner.bytes <= joiner.budget);
}

#[test]
fn the_end_of_a_record_from_before_the_window_is_not_missed() {
    for (before, expected) in [(100, 1), (101, 0)] {
        let mut joiner = Joiner::ignoring_before(before);
        feed(&mut joiner, 7, &part(1, 2, 2));
        joiner.end(0);
        assert_eq!(given_up(&mut joiner).len(), expected, "{before}");
    }
}

#[test]
fn a_partition_that_is_read_again_begins_anew() {
    let mut joiner = Joiner::new();
    feed(&mut joiner, 5, &part(1, 1, 2));
    feed(&mut joiner, 3, &part(9, 1, 2));
    assert!(feed(&mut joiner, 5, &part(1, 1, 2)).is_none());
    assert_eq!(feed(&mut joiner, 6, &part(1, 2, 2)), Some((6, part(1, 1, 2).joined())));
    joiner.forget(0);
    assert_eq!((joiner.bytes, given_up(&mut joiner).len()), (0, 0));
}
