//! The live tail: where it begins, and where it goes on.

use std::collections::BTreeSet;
use std::time::Duration;

use umbra_common::store::{Next, Position, Start};
use umbra_tests::exchanges;

use super::fresh::{Fresh, take, targets};
use super::samples::{at, every_10_ms};

/// The last position of each partition.
fn last_positions(positions: impl IntoIterator<Item = Position>) -> Vec<Position> {
    let all: BTreeSet<_> = positions.into_iter().collect();
    let is_last = |p: &&Position| !all.iter().any(|o| o.partition == p.partition && o.offset > p.offset);
    all.iter().filter(is_last).copied().collect()
}

fn latest_means_from_the_call_on(store: &Fresh) {
    store.append(&every_10_ms(20));
    let mut follower = store.follow("latest", Start::Latest);
    // Before the follower has been asked for anything, so also before a group has assigned anything.
    store.append(&[exchanges::get(at(500), "/a"), exchanges::get(at(501), "/b"), exchanges::get(at(502), "/c")]);
    assert_eq!(targets(&take(&mut *follower, 3)), ["/a", "/b", "/c"]);
    follower.close().unwrap();
}

fn earliest_means_all_that_is_there(store: &Fresh) {
    store.append(&every_10_ms(20));
    let mut follower = store.follow("earliest", Start::Earliest);
    assert_eq!(take(&mut *follower, 20).len(), 20);
    store.append(&[exchanges::get(at(500), "/more")]);
    assert_eq!(targets(&take(&mut *follower, 1)), ["/more"]);
    follower.close().unwrap();
}

fn a_time_means_the_first_that_arrived_then(store: &Fresh) {
    store.append(&every_10_ms(20));
    let mut follower = store.follow("time", Start::At(at(155)));
    assert_eq!(targets(&take(&mut *follower, 4)), ["/16", "/17", "/18", "/19"]);
    follower.close().unwrap();

    let mut follower = store.follow("future", Start::At(at(1_000_000)));
    store.append(&[exchanges::get(at(500), "/new")]);
    assert_eq!(targets(&take(&mut *follower, 1)), ["/new"], "a time to come is the end of the log");
    follower.close().unwrap();
}

fn a_group_goes_on_behind_what_is_done(store: &Fresh) {
    store.append(&every_10_ms(30));
    let mut follower = store.follow("resume", Start::Earliest);
    let read = take(&mut *follower, 30);
    for position in last_positions(read.iter().map(|stored| stored.position)) {
        follower.done(position).unwrap();
    }
    follower.close().unwrap();

    store.append(&[exchanges::get(at(900), "/next")]);
    let mut follower = store.follow("resume", Start::Earliest);
    assert_eq!(targets(&take(&mut *follower, 1)), ["/next"], "its own position goes over the start");
    follower.close().unwrap();
}

fn what_is_not_done_comes_again(store: &Fresh) {
    store.append(&every_10_ms(30));
    let mut follower = store.follow("again", Start::Earliest);
    let first = take(&mut *follower, 30);
    // Done as far as the tenth record of the first partition.
    let partition = first[0].position.partition;
    let of_partition: Vec<_> = first.iter().map(|s| s.position).filter(|p| p.partition == partition).collect();
    let upto = of_partition[of_partition.len().min(10) - 1];
    follower.done(upto).unwrap();
    drop(first);
    follower.close().unwrap();

    let mut follower = store.follow("again", Start::Latest);
    let left = 30 - of_partition.len().min(10);
    let again = take(&mut *follower, left);
    assert!(again.iter().all(|stored| stored.position.partition != partition || stored.position > upto));
    assert!(matches!(follower.next(Duration::from_millis(200)), Ok(Next::Idle)), "nothing else");
    follower.close().unwrap();
}

fn two_groups_do_not_disturb_each_other(store: &Fresh) {
    store.append(&every_10_ms(10));
    let mut one = store.follow("one", Start::Earliest);
    let mut two = store.follow("two", Start::Earliest);
    let read = take(&mut *one, 10);
    for position in last_positions(read.iter().map(|stored| stored.position)) {
        one.done(position).unwrap();
    }
    one.close().unwrap();
    assert_eq!(take(&mut *two, 10).len(), 10);
    two.close().unwrap();
}

fn a_follower_passes_over_what_is_no_exchange(store: &Fresh) {
    let good = every_10_ms(2);
    let value = umbra_common::codec::encode(&good[1]);
    store.append_raw([(good[0].id, at(0), b"garbage".to_vec()), (good[1].id, at(10), value)]);
    let mut follower = store.follow("garbage", Start::Earliest);
    let read = take(&mut *follower, 2);
    assert_eq!(read.iter().filter(|stored| stored.exchange.is_err()).count(), 1);
    follower.close().unwrap();
}

super::on_both_stores!(
    latest_means_from_the_call_on,
    earliest_means_all_that_is_there,
    a_time_means_the_first_that_arrived_then,
    a_group_goes_on_behind_what_is_done,
    what_is_not_done_comes_again,
    two_groups_do_not_disturb_each_other,
    a_follower_passes_over_what_is_no_exchange,
);
