//! `--weight` where it has to outlive a run: a tail that goes on, a job that is resumed.

use std::collections::BTreeSet;
use std::time::Duration;

use umbra_common::exchange::Exchange;
use umbra_common::time::Timestamp;
use umbra_tests::exchanges::get;
use umbra_tests::receiver::Receiver;
use umbra_tests::replayer::TestFollow;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::eventually;

use crate::both_stores::on_both_stores;
use crate::programs::replayer;

/// The requests `/from` to before `/to`, each of a session of its own.
fn requests(from: u64, to: u64) -> Vec<Exchange> {
    let first = Timestamp::now().before(Duration::from_secs(60));
    (from..to).map(|i| get(first.after(Duration::from_millis(i)), &format!("/{i}"))).collect()
}

/// Two targets, the first of which gets twice as much as the second.
struct Shared {
    receivers: [Receiver; 2],
    targets: [String; 2],
}

impl Shared {
    fn start() -> Self {
        let receivers = [Receiver::start(), Receiver::start()];
        let [a, b] = receivers.each_ref().map(Receiver::url);
        Self { receivers, targets: [format!("a={a}"), format!("b={b}")] }
    }

    fn flags<'a>(&'a self, weights: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let [a, b] = &self.targets;
        [&["--target", a, "--target", b, "--weight", weights], more].concat()
    }

    fn count(&self) -> u64 {
        self.receivers.iter().map(|receiver| receiver.count() as u64).sum()
    }

    /// Each of so many must have come once, to one of them.
    #[track_caller]
    fn each_came_once(&self, count: usize) {
        let [a, b] = self.receivers.each_ref().map(|receiver| {
            let all = receiver.multiset();
            assert!(all.values().all(|times| *times == 1), "{all:?}");
            all.into_keys().map(|kind| kind.target).collect::<BTreeSet<_>>()
        });
        assert!(a.is_disjoint(&b) && a.len() > b.len() && a.len() + b.len() == count, "{} and {}", a.len(), b.len());
    }
}

const WEIGHTS: &str = "a=2,b=1";

on_both_stores! {
    fn a_tail_is_shared_and_goes_on_so(store: &TestStore) {
        let shared = Shared::start();
        for from in [0, 150] {
            store.write(&requests(from, from + 150));
            let follow = TestFollow::start(store, &shared.flags(WEIGHTS, &["--from", "earliest"]));
            eventually("everything at one of them", || shared.count() == from + 150);
            let report = follow.finish();
            let ledgers: Vec<_> = report.targets.iter().map(|t| &t.ledger).collect();
            let all: u64 = ledgers.iter().map(|ledger| ledger.state("answered")).sum();
            assert_eq!(all, 150, "{ledgers:?}");
        }
        shared.each_came_once(300);
    }

    fn a_job_keeps_each_target_s_part(store: &TestStore) {
        store.write(&requests(0, 900));
        let (shared, name) = (Shared::start(), format!("shared-{:08x}", fastrand::u32(..)));
        let window = ["replay", "--store", store.url(), "--from", "-1day", "--to", "+1h", "--rate", "600/s", "--job", &name];
        let start = |weights, more| replayer(&[&window[..], &shared.flags(weights, more)].concat());
        let process = start(WEIGHTS, &[]);
        eventually("a third", || shared.count() > 300);
        process.signal("INT");
        process.finish().expect(130);
        let refused = start("a=1,b=2", &["--resume"]).finish().expect(2).stderr;
        assert!(refused.contains("--weight is"), "{refused}");
        start(WEIGHTS, &["--resume"]).finish().expect(0);
        shared.each_came_once(900);
    }
}
