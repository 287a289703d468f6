//! `replay --job`: a replay that goes on where it was, whatever ended it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use umbra_common::exchange::Exchange;
use umbra_common::time::Timestamp;
use umbra_tests::exchanges::get;
use umbra_tests::process::{Finished, Process};
use umbra_tests::receiver::Receiver;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::eventually;

use crate::both_stores::on_both_stores;
use crate::programs::{REPLAYER, replayer};

/// `count` requests `/0`, `/1`, …, a millisecond apart, the last one a minute ago.
fn sequence(count: u64) -> Vec<Exchange> {
    let first = Timestamp::now().before(Duration::from_secs(60));
    (0..count).map(|i| get(first.after(Duration::from_millis(i)), &format!("/{i}"))).collect()
}

/// How often each request came, by its number.
fn counts(receiver: &Receiver) -> BTreeMap<u64, u32> {
    receiver.multiset().into_iter().map(|(kind, count)| (kind.target[1..].parse().unwrap(), count)).collect()
}

struct Job<'a> {
    store: &'a TestStore,
    target: String,
    name: String,
}

impl<'a> Job<'a> {
    fn new(store: &'a TestStore, receiver: &Receiver) -> Self {
        Self { store, target: format!("staging={}", receiver.url()), name: format!("job-{:08x}", fastrand::u32(..)) }
    }

    fn start(&self, flags: &[&str]) -> Process {
        let own = ["replay", "--store", self.store.url(), "--target", &self.target, "--from", "-1h", "--to", "+1h"];
        replayer(&[&own[..], &["--job", &self.name], flags].concat())
    }

    /// Goes on to the end; the report.
    #[track_caller]
    fn resume(&self, flags: &[&str]) -> Value {
        let file = self.store.directory().join(format!("report-{:08x}.json", fastrand::u32(..)));
        let report = ["--resume", "--report", file.to_str().unwrap()];
        self.start(&[flags, &report].concat()).finish().expect(0);
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap()
    }

    fn look(&self, what: &[&str]) -> Finished {
        replayer(&[&["job"], what, &["--store", self.store.url(), "--output", "json"]].concat()).finish()
    }

    #[track_caller]
    fn shown(&self) -> Value {
        serde_json::from_str(&self.look(&["show", &self.name]).expect(0).stdout).unwrap()
    }
}

/// Kills a replay when so many requests have come, lets it go on, and checks what a kill may do.
fn kill_and_resume(store: &TestStore, delivery: &str, pace: &[&str], kills: &[usize]) {
    const COUNT: u64 = 3000;
    const CONNECTIONS: u32 = 8;
    store.write(&sequence(COUNT));
    let receiver = Receiver::start();
    let job = Job::new(store, &receiver);
    let connections = CONNECTIONS.to_string();
    let flags = [pace, &["--delivery", delivery, "--connections", &connections]].concat();
    for (run, kill) in kills.iter().enumerate() {
        let resume: &[&str] = if run == 0 { &[] } else { &["--resume"] };
        let process = job.start(&[&flags, resume].concat());
        receiver.wait_for(*kill);
        process.signal("KILL");
        process.finish();
    }
    let report = job.resume(&flags);
    let counts = counts(&receiver);
    let missing = COUNT - counts.len() as u64;
    let twice: u32 = counts.values().map(|n| n - 1).sum();
    let most = CONNECTIONS * u32::try_from(kills.len()).unwrap();
    // The last kill may come when everything is done: then there is nobody to report of.
    let of_rest = |count: &Value| {
        count.as_u64().unwrap_or_else(|| {
            assert_eq!((report["targets"].get(0), missing), (None, 0), "{report}");
            0
        })
    };
    let again = of_rest(&report["targets"][0]["sent_again"]);
    let left_out = of_rest(&report["targets"][0]["ledger"]["skipped"]["in_doubt"]);
    eprintln!(
        "{delivery}: {twice} came twice, {missing} never; the last run sent {again} again and left {left_out} out"
    );
    if delivery == "at-least-once" {
        assert_eq!((missing, left_out), (0, 0));
        assert!(twice <= most, "{twice} came twice, {most} may");
        assert!(kills.len() > 1 || u64::from(twice) <= again, "{twice} came twice, {again} were sent again");
    } else {
        assert_eq!((twice, again), (0, 0));
        assert!(missing <= u64::from(most), "{missing} never came, {most} may");
        assert!(kills.len() > 1 || missing <= left_out, "{missing} never came, {left_out} were left out");
    }
    assert_eq!(job.shown()["state"], "done");
}

on_both_stores! {
    fn a_killed_replay_sends_again_only_what_was_in_flight(store: &TestStore) {
        kill_and_resume(store, "at-least-once", &["--speed", "1x"], &[fastrand::usize(100..2500)]);
    }

    fn a_killed_replay_leaves_out_only_what_was_in_flight_where_nothing_may_come_twice(store: &TestStore) {
        kill_and_resume(store, "at-most-once", &["--speed", "1x"], &[fastrand::usize(100..2500)]);
    }

    fn an_interrupted_replay_goes_on_and_sends_each_request_once(store: &TestStore) {
        store.write(&sequence(1500));
        let receiver = Receiver::start();
        let job = Job::new(store, &receiver);
        let process = job.start(&[]);
        receiver.wait_for(400);
        process.signal("INT");
        process.finish().expect(130);
        let shown = job.shown();
        assert_eq!((&shown["state"], &shown["in_doubt"]), (&"interrupted".into(), &0.into()), "{shown}");
        let report = job.resume(&[]);
        assert_eq!(report["job"]["resumed"], true);
        assert_eq!(counts(&receiver), (0..1500).map(|i| (i, 1)).collect());
    }
}

on_both_stores! {
    /// Right after its start, with the first request, and with the last.
    fn a_replay_killed_at_its_beginning_and_at_its_end_goes_on(store: &TestStore) {
        kill_and_resume(store, "at-least-once", &["--rate", "2000/s"], &[0, 1, 3000]);
    }

    fn of_processes_that_begin_a_job_at_once_one_sends_it(store: &TestStore) {
        const COUNT: u64 = 600;
        store.write(&sequence(COUNT));
        let receiver = Receiver::start();
        let job = Job::new(store, &receiver);
        let all: Vec<_> = (0..4).map(|_| job.start(&["--resume", "--rate", "200/s"])).collect();
        let ended: Vec<_> = all.into_iter().map(Process::finish).collect();
        for finished in &ended {
            let (code, said) = (finished.status, &finished.stderr);
            assert!(code == Some(0) || code == Some(2) && said.contains("in use"), "{code:?}: {said}");
        }
        assert!(ended.iter().any(|finished| finished.status == Some(0)));
        assert_eq!(counts(&receiver), (0..COUNT).map(|i| (i, 1)).collect());
        assert_eq!(job.shown()["state"], "done");
    }

    fn a_shard_that_is_lost_goes_on_by_itself(store: &TestStore) {
        const COUNT: u64 = 1500;
        const CONNECTIONS: u32 = 4;
        store.write(&sequence(COUNT));
        let receiver = Receiver::start();
        let job = Job::new(store, &receiver);
        let start = |shard: &str| job.start(&["--resume", "--rate", "750/s", "--connections", "4", "--shard", shard]);
        let (first, second, third) = (start("1/3"), start("2/3"), start("3/3"));
        receiver.wait_for(300);
        second.signal("KILL");
        second.finish();
        first.finish().expect(0);
        third.finish().expect(0);
        let before = counts(&receiver).len() as u64;
        assert!(before < COUNT, "the lost shard's part is missing");
        start("2/3").finish().expect(0);
        let counts = counts(&receiver);
        let twice: u32 = counts.values().map(|n| n - 1).sum();
        assert!(counts.len() as u64 == COUNT && twice <= CONNECTIONS, "{} came, {twice} twice", counts.len());
    }
}

#[test]
fn one_in_flight_is_all_that_may_come_twice() {
    let store = TestStore::sqlite();
    store.write(&sequence(400));
    let receiver = Receiver::start();
    let job = Job::new(&store, &receiver);
    for _ in 0..3 {
        let process = job.start(&["--resume", "--rate", "max", "--max-in-flight", "1"]);
        receiver.wait_for(receiver.count() + 40);
        process.signal("KILL");
        process.finish();
    }
    job.resume(&["--rate", "max", "--max-in-flight", "1"]);
    let counts = counts(&receiver);
    let twice: u32 = counts.values().map(|n| n - 1).sum();
    assert!(counts.len() == 400 && twice <= 3, "{} came, {twice} twice", counts.len());
}

#[test]
fn a_job_that_is_killed_again_and_again_keeps_its_bound_each_time() {
    let kills: Vec<usize> = (1..5).map(|n| n * 500 + fastrand::usize(..300)).collect();
    std::thread::scope(|scope| {
        for (delivery, rate) in [("at-least-once", "2000/s"), ("at-most-once", "max")] {
            let kills = &kills;
            scope.spawn(move || kill_and_resume(&TestStore::sqlite(), delivery, &["--rate", rate], kills));
        }
    });
}

#[test]
fn a_name_that_is_used_is_refused_with_what_to_do() {
    let store = TestStore::sqlite();
    store.write(&sequence(400));
    let receiver = Receiver::start();
    let job = Job::new(&store, &receiver);
    let running = job.start(&["--rate", "100/s"]);
    receiver.wait_for(10);
    let refused = |flags: &[&str], what: &[&str]| {
        let said = job.start(flags).finish().expect(2).stderr;
        what.iter().for_each(|what| assert!(said.contains(what), "'{what}' is not in: {said}"));
    };
    refused(&["--rate", "100/s"], &["--resume", "job delete"]);
    refused(&["--rate", "100/s", "--resume"], &["in use", "staging"]);
    refused(&["--rate", "90/s", "--resume"], &["--rate is '90/s'", "'100/s'"]);
    refused(&["--speed", "2x", "--resume"], &["--rate is not given", "--speed is '2x'"]);
    assert!(job.look(&["delete", &job.name]).expect(2).stderr.contains("in use"));
    assert_eq!(job.shown()["state"], "running");
    running.finish().expect(0);

    // What is done is done, and says so.
    let report = job.resume(&["--rate", "100/s"]);
    assert_eq!(report["job"]["done_before"], serde_json::json!(["staging"]));
    assert_eq!(receiver.count(), 400);
    job.look(&["delete", &job.name]).expect(0);
    assert!(job.look(&["show", &job.name]).expect(2).stderr.contains("job list"));
    assert_eq!(job.look(&["list"]).expect(0).stdout, "");
}

#[test]
fn a_name_that_another_process_of_a_kafka_works_on_is_refused() {
    let store = TestStore::kafka();
    store.write(&sequence(2000));
    let receiver = Receiver::start();
    let job = Job::new(&store, &receiver);
    let running = job.start(&["--rate", "20/s"]);
    receiver.wait_for(5);
    let refused = job.start(&["--rate", "20/s", "--resume"]).finish().expect(2).stderr;
    assert!(refused.contains("in use") && refused.contains("staging"), "{refused}");
    assert!(job.look(&["delete", &job.name]).expect(2).stderr.contains("in use"));
    running.signal("INT");
    running.finish().expect(130);
    job.look(&["delete", &job.name]).expect(0);
}

#[test]
fn a_job_keeps_the_window_it_was_begun_with() {
    let store = TestStore::sqlite();
    store.write(&sequence(500));
    let receiver = Receiver::start();
    let job = Job::new(&store, &receiver);
    let process = job.start(&["--rate", "500/s"]);
    receiver.wait_for(50);
    process.signal("INT");
    process.finish().expect(130);
    // `--to +1h` is another moment by now, and there is more in it.
    store.write(&[get(Timestamp::now(), "/999999")]);
    job.resume(&["--rate", "500/s"]);
    assert_eq!(counts(&receiver), (0..500).map(|i| (i, 1)).collect());
}

#[test]
fn several_targets_go_on_each_from_where_it_was() {
    let store = TestStore::sqlite();
    store.write(&sequence(1000));
    let (first, second) = (Receiver::start(), Receiver::start());
    let job = Job::new(&store, &first);
    let other = format!("other={}", second.url());
    let process = job.start(&["--target", &other]);
    second.wait_for(200);
    process.signal("KILL");
    process.finish();
    job.resume(&["--target", &other]);
    for receiver in [&first, &second] {
        assert_eq!(counts(receiver).len(), 1000);
    }
    eventually("both are done", || job.shown()["state"] == "done");
}

#[test]
fn a_job_goes_on_from_another_directory() {
    const COUNT: u64 = 900;
    let store = TestStore::sqlite();
    store.write(&sequence(COUNT));
    let receiver = Receiver::start();
    let target = format!("staging={}", receiver.url());
    let home = store.directory();
    let below = home.join("below");
    std::fs::create_dir(&below).unwrap();
    let start = |from: &Path, url: &str| {
        let shell = ["-c", "cd \"$0\" && exec \"$@\"", from.to_str().unwrap(), REPLAYER];
        let own = ["replay", "--store", url, "--target", &target, "--from", "-1h", "--to", "+1h", "--rate", "600/s"];
        let job = ["--job", "wanderer", "--resume"];
        Process::start("sh", &[&shell[..], &own, &job].concat(), &[])
    };
    let ways = [(home, "sqlite:traffic.db"), (&below, "sqlite:../traffic.db"), (Path::new("/"), store.url())];
    for (from, url) in ways {
        let process = start(from, url);
        receiver.wait_for(receiver.count() + 200);
        process.signal("INT");
        process.finish().expect(130);
    }
    let elsewhere = start(&below, "sqlite:traffic.db").finish().expect(2).stderr;
    assert!(elsewhere.contains("traffic.db"), "{elsewhere}");
    assert!(!below.join("traffic.db").exists(), "another file is another store, not a new one");
    start(home, "sqlite:./traffic.db").finish().expect(0);
    assert_eq!(counts(&receiver), (0..COUNT).map(|i| (i, 1)).collect());
}
