//! Records over the limit of one message: stored in parts, read as one.

use umbra_common::codec;
use umbra_common::exchange::Exchange;
use umbra_common::store::{Next, Position, Start};
use umbra_common::time::Timestamp;
use umbra_tests::exchanges;

use super::fresh::{Fresh, record, records, take, targets};
use super::samples::{at, every_10_ms, large, noon};
use super::tally::Tally;

/// librdkafka's limit of one message, less what a part leaves for its key and headers.
const ONE_MESSAGE: usize = 1_000_000 - 512 - 16;

/// An exchange whose record has exactly so many bytes, of a kind that compresses to nothing.
fn sized(arrival: Timestamp, target: &str, record: usize) -> Exchange {
    let with_body = |length: usize| exchanges::post(arrival, target, &vec![b'x'; length]);
    let mut body = record.saturating_sub(codec::encode(&with_body(record)).len() - record);
    while codec::encode(&with_body(body)).len() > record {
        body -= 1;
    }
    with_body(body)
}

fn bodies_of_every_size_come_back_to_the_byte(store: &Fresh) {
    let mut exchanges: Vec<_> = [0, 1, 900 << 10]
        .into_iter()
        .chain([ONE_MESSAGE - 1, ONE_MESSAGE, ONE_MESSAGE + 1, 2 * ONE_MESSAGE, 2 * ONE_MESSAGE + 1])
        .enumerate()
        .map(|(i, size)| match size {
            0 | 1 => exchanges::post(at(i as u64), "/small", &vec![b'x'; size]),
            size => sized(at(i as u64), "/sized", size),
        })
        .collect();
    exchanges.push(large(at(100), 3 << 20));
    let in_order = exchanges.clone();
    fastrand::shuffle(&mut exchanges);
    store.append(&exchanges);
    let read = store.window(noon(), at(101));
    assert_eq!(read.len(), in_order.len());
    for (read, written) in read.iter().zip(&in_order) {
        assert!(read == written, "{} bytes came back different", written.request.body.length);
    }
}

fn the_largest_body_is_stored_whole(store: &Fresh) {
    let mut exchange = large(noon(), 64 << 20);
    // Its response may be as large.
    exchange.response.as_mut().unwrap().body = exchange.request.body.clone();
    store.append(std::slice::from_ref(&exchange));
    assert!(store.window(noon(), at(1)) == [exchange]);
}

fn parts_of_several_writers_stand_between_each_other(store: &Fresh) {
    store.make();
    std::thread::scope(|threads| {
        for writer in 0..3 {
            threads.spawn(move || {
                let own = (0..6).map(|i| large(at(writer * 100 + i), 1_500_000));
                store.append(&own.chain([exchanges::get(at(writer), "/small")]).collect::<Vec<_>>());
            });
        }
    });
    let read = store.window(noon(), at(1_000));
    assert_eq!(read.iter().filter(|e| e.request.body.bytes.len() == 1_500_000).count(), 18);
    assert_eq!(read.len(), 21);
}

/// One partition: what is small stands between the parts of what is large.
#[test]
fn a_follower_that_comes_back_has_lost_nothing_of_a_record_in_parts() {
    let store = Fresh::kafka(1);
    let tally = Tally::default();
    let mut appender = store.appender();
    let (first, second) = (large(at(1), 1_500_000), large(at(2), 1_500_000));
    for half in [&first, &second] {
        appender.append(&mut records(&every_10_ms(3), &tally));
        appender.append(&mut records(std::slice::from_ref(half), &tally));
    }
    appender.append(&mut records(&every_10_ms(3), &tally));
    appender.close(umbra_tests::wait::DEADLINE);
    assert_eq!(tally.now().stored, 11);

    let mut follower = store.follow("parts", Start::Earliest);
    let came = take(&mut *follower, 6);
    follower.done(came[5].position).unwrap();
    follower.close().unwrap();
    let mut follower = store.follow("parts", Start::Earliest);
    let rest = take(&mut *follower, 5);
    assert_eq!(targets(&rest).iter().filter(|t| *t == "/large").count(), 1);
    assert!(rest.iter().all(|stored| stored.exchange.is_ok() && stored.position > came[5].position));
    follower.close().unwrap();
}

/// The restart that a read names lies before the parts of what was not given yet.
#[test]
fn a_read_begins_again_before_a_record_that_is_not_done() {
    let store = Fresh::kafka(1);
    store.append(&[large(noon(), 2_500_000), exchanges::get(at(1), "/after")]);
    let plan = store.plan(noon(), at(10));
    let mut reader = store.open().read(&plan).unwrap();
    let Next::Record(stored) = reader.next(umbra_tests::wait::DEADLINE).unwrap() else { panic!("a record") };
    assert_eq!(stored.position.offset, 2, "the position of its last part");
    assert_eq!(reader.restart(Position { partition: 0, offset: 1 }), 0, "between its parts nothing of it is done");
    assert_eq!(reader.restart(stored.position), 3);
}

/// Somebody's retention has removed the beginning of a record.
#[test]
fn a_record_whose_first_part_is_gone_is_told_and_passed_over() {
    let store = Fresh::kafka(1);
    store.append(&[large(noon(), 2_500_000), exchanges::get(at(1), "/after")]);
    let plan = store.plan(noon(), at(10));
    super::kafka_meddling::delete_records_before(&store, 1);
    let read = store.read(&plan);
    let broken: Vec<_> = read.iter().filter_map(|stored| stored.exchange.as_ref().err()).collect();
    assert!(matches!(broken[..], [codec::DecodeError::Incomplete { came: 2, of: 3 }]), "{broken:?}");
    assert_eq!(read.len(), 2);
}

#[test]
fn a_value_over_every_limit_is_lost_alone() {
    let store = Fresh::kafka(1);
    let tally = Tally::default();
    let mut appender = store.appender();
    let over = vec![0; codec::MAX_RECORD + 1];
    let mut batch = records(&every_10_ms(2), &tally);
    batch.insert(1, record((large(noon(), 1).id, noon(), over), &tally));
    appender.append(&mut batch);
    appender.close(umbra_tests::wait::DEADLINE);
    let counts = tally.now();
    assert_eq!((counts.stored, counts.lost.get("too large")), (2, Some(&1)), "{counts:?}");
}

super::on_both_stores!(
    bodies_of_every_size_come_back_to_the_byte,
    the_largest_body_is_stored_whole,
    parts_of_several_writers_stand_between_each_other,
);
