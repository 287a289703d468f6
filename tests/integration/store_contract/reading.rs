//! What a read gives: the same bytes, each once, in order, and what is no exchange as such.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use umbra_common::codec::{self, CURRENT_VERSION, DecodeError};
use umbra_common::exchange::ExchangeId;
use umbra_common::store::Next;
use umbra_common::time::Window;
use umbra_tests::wait::DEADLINE;

use super::fresh::Fresh;
use super::samples::{at, every_10_ms, noon, odd};

fn what_is_appended_is_read_back_to_the_byte(store: &Fresh) {
    let exchanges = odd(300);
    store.append(&exchanges);
    assert_eq!(store.window(noon(), at(300)), exchanges);
    for stored in store.read(&store.open().plan(Window::ALL).unwrap()) {
        assert_eq!(stored.size, codec::encode(&stored.exchange.unwrap()).len());
    }
}

fn each_record_comes_once_and_in_order(store: &Fresh) {
    store.append(&every_10_ms(3_000));
    let plan = store.open().plan(Window::ALL).unwrap();
    let read = store.read(&plan);
    let positions: BTreeSet<_> = read.iter().map(|stored| stored.position).collect();
    assert_eq!((read.len(), positions.len()), (3_000, 3_000));
    let mut last = BTreeMap::new();
    for stored in &read {
        let before = last.insert(stored.position.partition, stored.position.offset);
        assert!(before < Some(stored.position.offset), "{before:?} before {:?}", stored.position);
        let part = plan.partitions.iter().find(|p| p.partition == stored.position.partition).unwrap();
        assert!((part.from..part.to).contains(&stored.position.offset));
    }
    if store.is_sqlite() {
        assert!(read.is_sorted_by_key(|stored| stored.exchange.as_ref().unwrap().arrival));
    }
}

fn what_is_no_exchange_is_told_and_passed_over(store: &Fresh) {
    let good = every_10_ms(4);
    let garbage = b"not an exchange at all".to_vec();
    let mut newer = codec::encode(&good[1]);
    newer[3] = CURRENT_VERSION + 1;
    let mut broken = codec::encode(&good[2]);
    broken.truncate(40);
    let values = [codec::encode(&good[0]), garbage, newer, broken, Vec::new(), codec::encode(&good[3])];
    let record = |(i, value)| (ExchangeId::new(at(i as u64), 0), at(i as u64), value);
    store.append_raw(values.into_iter().enumerate().map(record));

    let read = store.read(&store.open().plan(Window::ALL).unwrap());
    assert_eq!(read.len(), 6);
    let errors: Vec<_> = read.iter().filter_map(|stored| stored.exchange.as_ref().err()).collect();
    assert_eq!(errors.len(), 4);
    assert!(errors.contains(&&DecodeError::Version(CURRENT_VERSION + 1)));
    assert_eq!(errors.iter().filter(|e| matches!(e, DecodeError::Magic { .. })).count(), 2);
}

fn a_held_partition_stops_and_goes_on_with_nothing_lost(store: &Fresh) {
    store.append(&every_10_ms(2_000));
    let plan = store.open().plan(Window::ALL).unwrap();
    let mut reader = store.open().read(&plan).unwrap();
    let held = plan.partitions[0].partition;
    let mut seen = BTreeSet::new();
    let mut while_held = 0;
    reader.hold(held, true).unwrap();
    // Until everything else has come and nothing has for some time.
    let mut idle = 0;
    while idle < 5 {
        match reader.next(Duration::from_millis(100)).unwrap() {
            Next::Record(stored) => {
                while_held += usize::from(stored.position.partition == held);
                assert!(seen.insert(stored.position));
            }
            Next::Idle => idle += 1,
            Next::PartitionEnd(partition) => assert_ne!(partition, held),
            Next::End => panic!("the end, and a partition is held"),
        }
    }
    assert_eq!(while_held, 0, "nothing had been fetched before it was held");
    reader.hold(held, false).unwrap();
    let until = Instant::now() + DEADLINE;
    loop {
        match reader.next(Duration::from_millis(100)).unwrap() {
            Next::Record(stored) => assert!(seen.insert(stored.position)),
            Next::Idle | Next::PartitionEnd(_) => assert!(Instant::now() < until, "{} records came", seen.len()),
            Next::End => break,
        }
    }
    assert_eq!(seen.len(), 2_000);
}

super::on_both_stores!(
    what_is_appended_is_read_back_to_the_byte,
    each_record_comes_once_and_in_order,
    what_is_no_exchange_is_told_and_passed_over,
    a_held_partition_stops_and_goes_on_with_nothing_lost,
);
