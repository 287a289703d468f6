//! Where records go in a topic of several partitions.

use std::collections::BTreeSet;
use std::time::Instant;

use umbra_common::exchange::Exchange;
use umbra_common::store::Record;
use umbra_common::time::Window;
use umbra_tests::exchanges;
use umbra_tests::wait::DEADLINE;

use super::fresh::{Fresh, records, tended};
use super::samples::{at, large};
use super::tally::{Tally, Ticket};

const PARTITIONS: u16 = 12;

/// Records of these exchanges that are all of one session; of none where that is empty.
fn of_session(session: &[u8], exchanges: &[Exchange], tally: &Tally) -> Vec<Record<Ticket>> {
    let records = records(exchanges, tally).into_iter();
    records.map(|record| Record { key: session.to_vec(), ..record }).collect()
}

/// The partition of each record with such a target.
fn partitions(store: &Fresh, target: &str) -> Vec<i32> {
    let read = store.read(&store.open().plan(Window::ALL).unwrap()).into_iter();
    let wanted = read.filter(|stored| stored.exchange.as_ref().unwrap().request.target == target);
    wanted.map(|stored| stored.position.partition).collect()
}

#[test]
fn the_records_of_a_session_stay_in_one_partition() {
    let (store, tally) = (Fresh::kafka(PARTITIONS), Tally::default());
    let mut appender = store.appender();
    for session in 0..30_u8 {
        let target = format!("/{session}");
        for n in 0..3 {
            let exchange = exchanges::get(at(n), &target);
            appender.append(&mut of_session(&[session; 16], &[exchange], &tally));
        }
    }
    appender.close(DEADLINE);
    assert_eq!(tally.now().stored, 90);
    let used: BTreeSet<_> = (0..30)
        .map(|session| {
            let of_one = partitions(&store, &format!("/{session}"));
            assert!(of_one.len() == 3 && of_one.iter().all(|p| *p == of_one[0]), "{session}: {of_one:?}");
            of_one[0]
        })
        .collect();
    assert!(used.len() > 1, "all sessions in {used:?}");
}

/// A partition that has something is a request of its own to a broker.
#[test]
fn records_without_a_session_share_a_partition_for_a_moment_and_go_to_another_in_the_next() {
    let (store, tally) = (Fresh::kafka(PARTITIONS), Tally::default());
    store.make();
    let mut appender = store.appender();
    // Before the topic is known, none has a partition.
    appender.append(&mut of_session(b"", &[exchanges::get(at(0), "/first")], &tally));
    tended(&mut appender, "the first", || tally.now().stored == 1);

    let moment: Vec<_> = (0..200).map(|n| exchanges::get(at(n), "/moment")).collect();
    let began = Instant::now();
    appender.append(&mut of_session(b"", &moment, &tally));
    let moments = began.elapsed().as_millis() as usize / 50 + 2;
    let until = began + DEADLINE;
    let (mut used, mut appended) = (BTreeSet::new(), 201);
    while used.len() <= 3 {
        assert!(Instant::now() < until, "still in {used:?}");
        appender.append(&mut of_session(b"", &[exchanges::get(at(1), "/later")], &tally));
        appended += 1;
        tended(&mut appender, "what was appended", || tally.now().stored == appended);
        used = partitions(&store, "/later").into_iter().collect();
    }
    appender.close(DEADLINE);
    let of_moment: BTreeSet<_> = partitions(&store, "/moment").into_iter().collect();
    assert!(of_moment.len() <= moments, "{of_moment:?} in {moments} moments");
}

#[test]
fn the_parts_of_a_record_without_a_session_stay_together() {
    // What has no key goes to another partition with each message.
    let store = Fresh::kafka(PARTITIONS).with("sticky.partitioning.linger.ms", "0");
    let tally = Tally::default();
    let exchanges: Vec<_> = (0..12).map(|n| large(at(n), 2_500_000)).collect();
    let mut appender = store.appender();
    for exchange in &exchanges {
        appender.append(&mut of_session(b"", std::slice::from_ref(exchange), &tally));
    }
    appender.close(DEADLINE);
    assert_eq!(tally.now().stored, 12);
    assert!(store.window(at(0), at(12)) == exchanges);
}
