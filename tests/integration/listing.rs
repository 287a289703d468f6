//! Many records looked at: memory does not grow with the log. `umbra-bench listing` does the same with a million.

use std::ops::Range;
use std::time::Duration;

use umbra_common::time::Timestamp;
use umbra_tests::exchanges::post;
use umbra_tests::process::{Finished, peak};
use umbra_tests::stores::TestStore;
use umbra_tests::wait::eventually;

use crate::both_stores::on_both_stores;
use crate::programs::replayer;

/// More than is held back to put records in order, and than a Kafka client reads ahead: four times the look-ahead of 12 s,
/// three times the 16 MiB.
const FEW: u32 = 48_000;
const MANY: u32 = 120_000;
const BODY: usize = 1 << 10;
/// What more records may add to the memory: allocators' habits. Held in memory, they would add 80 MiB and more.
const MORE: usize = 40 << 20;

/// What does not compress: compressed records would be read ahead by the size that they have on the wire.
fn body(seed: u32) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed.into());
    (0..BODY).map(|_| random.u8(..)).collect()
}

/// Records with these numbers, a millisecond apart.
fn write(store: &TestStore, numbers: Range<u32>) {
    const CHUNK: usize = 12_000;
    let first = Timestamp::from_millis(1_700_000_000_000);
    for chunk in numbers.clone().step_by(CHUNK) {
        let one = |n| post(first.after(Duration::from_millis(1) * n), &format!("/items/{n}"), &body(n));
        store.write(&(chunk..numbers.end).take(CHUNK).map(one).collect::<Vec<_>>());
    }
}

/// What a look at traffic prints, and the most memory that it takes.
fn looked(store: &TestStore, flags: &[&str]) -> (Finished, usize) {
    let mut process = replayer(&[&["traffic"], flags, &["--store", store.url()]].concat());
    let mut most = 0;
    eventually("its end", || {
        most = most.max(peak(process.pid()).unwrap_or(0));
        !process.is_running()
    });
    (process.finish().expect(0), most)
}

on_both_stores! {
    fn a_hundred_thousand_records_are_looked_at_in_bounded_memory(store: &TestStore) {
        write(store, 0..FEW);
        let (_, before) = looked(store, &["list"]);
        assert!(before > 1 << 20, "{before}");
        write(store, FEW..MANY);
        for (flags, lines) in [
            (&["list"][..], MANY as usize + 1),
            (&["list", "--output", "json"], MANY as usize),
            (&["list", "--where", "path == '/items/77777'"], 2),
            (&["top"], 2),
        ] {
            let (said, most) = looked(store, flags);
            assert_eq!(said.stdout.lines().count(), lines, "{flags:?}: {}", said.stderr);
            assert!(most < before + MORE, "{flags:?}: {before} bytes for {FEW} records, {most} for {MANY}");
        }
    }
}
