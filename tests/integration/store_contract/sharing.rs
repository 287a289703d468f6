//! Replicas that follow for the same group.

use std::collections::BTreeSet;
use std::time::Duration;

use umbra_common::store::{Follow, Next, Position, Start};
use umbra_tests::wait::eventually;

use super::fresh::{Fresh, take};
use super::samples::every_10_ms;

/// Polls both, keeping what comes, until `condition` holds for their shares and what came.
#[track_caller]
fn poll_until(
    what: &str,
    followers: &mut [Box<dyn Follow>],
    mut condition: impl FnMut(&[Box<dyn Follow>], &BTreeSet<Position>) -> bool,
) {
    let mut came = BTreeSet::new();
    eventually(what, || {
        for follower in &mut *followers {
            while let Next::Record(stored) = follower.next(Duration::from_millis(10)).unwrap() {
                came.insert(stored.position);
            }
        }
        condition(followers, &came)
    });
}

fn shares_add_up(followers: &[Box<dyn Follow>]) -> bool {
    let shares: Vec<_> = followers.iter().map(|f| f.share()).collect();
    let held: BTreeSet<i32> = shares.iter().flat_map(|s| s.held.iter().copied()).collect();
    let count: usize = shares.iter().map(|s| s.held.len()).sum();
    held.len() == count && shares.iter().all(|s| s.of == count)
}

fn replicas_of_a_group_share_the_log_and_take_over(store: &Fresh) {
    store.append(&every_10_ms(10));
    let mut followers: Vec<_> = (0..2).map(|_| store.follow("fleet", Start::Earliest)).collect();
    poll_until("all partitions held by one each", &mut followers, |f, came| shares_add_up(f) && came.len() == 10);
    let sum: f64 = followers.iter().map(|f| f.share().fraction()).sum();
    assert!((sum - 1.0).abs() < 1e-9, "{sum}");

    store.append(&every_10_ms(100));
    poll_until("what came while both followed", &mut followers, |_, came| came.len() >= 100);

    // The one that holds something goes; the other has it all.
    let holder = followers.iter().position(|f| !f.share().held.is_empty()).unwrap();
    followers.remove(holder).close().unwrap();
    poll_until("the other holds everything", &mut followers, |f, _| {
        let share = f[0].share();
        share.held.len() == share.of
    });
    store.append(&every_10_ms(50));
    assert!(take(&mut *followers[0], 50).len() >= 50);
}

super::on_both_stores!(replicas_of_a_group_share_the_log_and_take_over);
