//! The circuit breaker: a target that only fails is left alone but for probes, and is sent to again when it answers.

use std::time::Duration;

use serde_json::Value;
use umbra_common::exchange::{Exchange, HttpVersion};
use umbra_common::time::Timestamp;
use umbra_tests::chaos::{Chaos, Mode};
use umbra_tests::exchanges::get;
use umbra_tests::origin::Origin;
use umbra_tests::ports::Refusing;
use umbra_tests::receiver::Receiver;
use umbra_tests::replayer::TestFollow;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::eventually;

use crate::both_stores::on_both_stores;
use crate::controlled::Controlled;

/// `count` requests `/0`, `/1`, …, all of a minute ago.
fn requests(count: u64) -> Vec<Exchange> {
    let first = Timestamp::now().before(Duration::from_secs(60));
    (0..count).map(|i| get(first.after(Duration::from_millis(i)), &format!("/{i}"))).collect()
}

/// A target that can go away: whoever connects to it then is turned away at once.
struct Wavering {
    receiver: Receiver,
    chaos: Chaos,
    target: String,
}

impl Wavering {
    fn start() -> Self {
        let receiver = Receiver::start();
        let chaos = Chaos::before(receiver.addr());
        let target = format!("wavering=http://{}", chaos.addr());
        Self { receiver, chaos, target }
    }

    /// Takes it away for as long as its breaker needs to open and to probe it in vain.
    fn leave_and_come_back(&self, run: &Controlled) {
        self.chaos.set(Mode::Cut);
        eventually("an open breaker", || run.status()["targets"][0]["breaker"]["opened"] == 1);
        self.chaos.set(Mode::Pass);
    }
}

/// Replays a window, with a report.
struct Run {
    process: Controlled,
    report: std::path::PathBuf,
}

impl Run {
    fn start(store: &TestStore, flags: &[&str]) -> Self {
        let report = store.directory().join(format!("report-{:08x}.json", fastrand::u32(..)));
        let own = ["replay", "--store", store.url(), "--from", "-1day", "--to", "+1h", "--report"];
        let process = Controlled::start(&[&own[..], &[report.to_str().unwrap()], flags].concat());
        Self { process, report }
    }

    /// Waits for its end; the targets' reports.
    #[track_caller]
    fn finish(self, status: i32) -> Vec<Value> {
        self.process.finish().expect(status);
        let report: Value = serde_json::from_slice(&std::fs::read(&self.report).unwrap()).unwrap();
        report["targets"].as_array().unwrap().clone()
    }
}

/// How many ended so, in the report of a target.
fn of(target: &Value, state: &str, reason: &str) -> u64 {
    target["ledger"][state][reason].as_u64().unwrap()
}

/// How many were tried in vain.
fn tried_in_vain(target: &Value) -> u64 {
    let failed = target["ledger"]["failed"].as_object().unwrap();
    failed.values().map(|count| count.as_u64().unwrap()).sum::<u64>() - of(target, "failed", "breaker_open")
}

#[test]
fn a_target_that_goes_and_comes_back_is_spared_and_no_other_notices() {
    const COUNT: u64 = 1000;
    const RATE: u64 = 200;
    let store = TestStore::sqlite();
    store.write(&requests(COUNT));
    let (wavering, well) = (Wavering::start(), Receiver::start());
    let (well_target, rate) = (format!("well={}", well.url()), format!("{RATE}/s"));
    let flags = ["--target", &wavering.target, "--target", &well_target, "--rate", &rate, "--breaker", "5"];
    let run = Run::start(&store, &flags);
    wavering.receiver.wait_for(50);
    wavering.leave_and_come_back(&run.process);
    let targets = run.finish(0);
    let broken = &targets[0];
    let (answered, spared) = (broken["ledger"]["answered"].as_u64().unwrap(), of(broken, "failed", "breaker_open"));
    assert_eq!(answered + spared + tried_in_vain(broken), COUNT, "{}", broken["ledger"]);
    // Five that open it, what was in flight then, and a probe or two.
    assert!((5..30).contains(&tried_in_vain(broken)), "{}", broken["ledger"]);
    // Until the first probe, a second after it opened, nothing leaves.
    assert!(spared >= RATE / 2, "{}", broken["ledger"]);
    assert!(answered > 50, "{}", broken["ledger"]);
    // What was on its way when the target left may have come, and its answer been lost.
    let came = wavering.receiver.count() as u64;
    assert!((answered..=answered + tried_in_vain(broken)).contains(&came), "{came} came: {}", broken["ledger"]);
    assert_eq!(broken["breaker"]["opened"], 1, "{}", broken["breaker"]);
    assert!(broken["breaker"]["seconds"].as_f64().unwrap() >= 1.0, "{}", broken["breaker"]);
    let expected = (COUNT - answered) as f64 / COUNT as f64;
    assert_eq!(broken["error_rate"].as_f64(), Some(expected), "what was not sent is no success");
    assert_eq!((targets[1]["ledger"]["answered"].as_u64(), well.count() as u64), (Some(COUNT), COUNT));
    assert!(targets[1]["lag"]["p50_ms"].as_f64().unwrap() < 100.0, "{}", targets[1]["lag"]);
}

#[test]
fn a_follower_says_which_target_it_waits_for() {
    let store = TestStore::sqlite();
    store.write(&requests(5));
    let nobody = Refusing::new();
    let target = format!("lost=http://{}", nobody.addr());
    let flags = ["--target", &target, "--from", "earliest", "--breaker", "off"];
    let process = Controlled::start(&[&["follow", "--store", store.url()], &flags[..]].concat());
    eventually("attempts", || process.status()["targets"][0]["connect_retried"].as_u64() > Some(3));
    process.signal("TERM");
    let said = process.finish().expect(130).stderr;
    let lines: Vec<_> = said.lines().filter(|line| line.contains("the target cannot be reached")).collect();
    let address = format!("http://{}", nobody.addr());
    assert!(lines.len() == 1 && lines[0].contains("lost") && lines[0].contains(&address), "{said}");
}

#[test]
fn without_a_schedule_a_window_waits_for_its_target() {
    const COUNT: u64 = 60_000;
    let store = TestStore::sqlite();
    store.write(&requests(COUNT));
    let wavering = Wavering::start();
    let flags = ["--target", &wavering.target, "--rate", "max", "--breaker", "3", "--connections", "2"];
    let run = Run::start(&store, &flags);
    wavering.receiver.wait_for(20);
    wavering.leave_and_come_back(&run.process);
    let target = run.finish(0).remove(0);
    assert_eq!(of(&target, "failed", "breaker_open"), 0, "{}", target["ledger"]);
    assert!((3..10).contains(&tried_in_vain(&target)), "{}", target["ledger"]);
    assert_eq!(target["ledger"]["answered"].as_u64().unwrap() + tried_in_vain(&target), COUNT);
}

/// A target is one for both protocols: an answer by either says that it is there.
#[test]
fn a_protocol_that_fails_takes_no_other_with_it() {
    const COUNT: u64 = 300;
    let store = TestStore::sqlite();
    let mut all = requests(COUNT);
    for exchange in all.iter_mut().step_by(2) {
        exchange.request.version = HttpVersion::Http2;
    }
    store.write(&all);
    // It speaks HTTP/1.1 only.
    let origin = Origin::start();
    let target = format!("old=http://{}", origin.addr());
    let flags = ["--target", &target, "--rate", "300/s", "--breaker", "20"];
    let target = Run::start(&store, &flags).finish(0).remove(0);
    assert_eq!(target["ledger"]["answered"], COUNT / 2, "{}", target["ledger"]);
    assert_eq!((&target["breaker"]["opened"], of(&target, "failed", "breaker_open")), (&0.into(), 0));
}

#[test]
fn sessions_in_order_are_counted_while_it_is_open() {
    const COUNT: u64 = 300;
    let store = TestStore::sqlite();
    let mut all = requests(COUNT);
    for (i, exchange) in all.iter_mut().enumerate() {
        exchange.session = vec![b's', u8::try_from(i % 7).unwrap()].into();
    }
    store.write(&all);
    let wavering = Wavering::start();
    wavering.chaos.set(Mode::Cut);
    let flags = ["--target", &wavering.target, "--rate", "500/s", "--breaker", "5", "--order", "session"];
    let target = Run::start(&store, &flags).finish(0).remove(0);
    assert_eq!(of(&target, "failed", "breaker_open") + tried_in_vain(&target), COUNT, "{}", target["ledger"]);
    // Five open it, and of each other session one may be under way.
    assert!((5..=11).contains(&tried_in_vain(&target)), "{}", target["ledger"]);
}

on_both_stores! {
    fn a_tail_waits_for_its_target_and_loses_only_what_was_tried(store: &TestStore) {
        const COUNT: u64 = 40;
        store.write(&requests(COUNT));
        let wavering = Wavering::start();
        wavering.chaos.set(Mode::Cut);
        let flags = ["--target", &wavering.target, "--from", "earliest", "--breaker", "3", "--connections", "1"];
        let process = Controlled::start(&[&["follow", "--store", store.url()], &flags[..]].concat());
        eventually("an open breaker", || process.status()["targets"][0]["breaker"]["open"] == true);
        wavering.chaos.set(Mode::Pass);
        eventually("a closed breaker", || process.status()["targets"][0]["breaker"]["open"] == false);
        eventually("the rest", || {
            let ledger = &process.status()["targets"][0]["ledger"];
            (&ledger["seen"], &ledger["open"]) == (&COUNT.into(), &0.into())
        });
        let ledger = process.status()["targets"][0]["ledger"]["ended"].clone();
        process.signal("TERM");
        process.finish().expect(130);
        let failed = ledger["failed"]["broken"].as_u64().unwrap();
        assert!((3..8).contains(&failed) && ledger["failed"].as_object().unwrap().len() == 1, "{ledger}");
        assert_eq!((ledger["answered"].as_u64(), wavering.receiver.count() as u64), (Some(COUNT - failed), COUNT - failed));
        // What has been tried is done: a restart sends none of it again.
        store.write(&[get(Timestamp::now(), "/last")]);
        let follow = TestFollow::start(store, &flags);
        wavering.receiver.wait_for(usize::try_from(COUNT - failed + 1).unwrap());
        assert_eq!(follow.finish().targets[0].ledger.seen, 1);
    }

    fn a_job_that_ends_while_it_is_open_goes_on_with_the_rest(store: &TestStore) {
        const COUNT: u64 = 600;
        store.write(&requests(COUNT));
        let wavering = Wavering::start();
        let name = format!("broken-{:08x}", fastrand::u32(..));
        let flags = ["--target", &wavering.target, "--rate", "200/s", "--job", &name, "--connections", "8"];
        let run = Run::start(store, &[&flags[..], &["--breaker", "5"]].concat());
        wavering.receiver.wait_for(50);
        wavering.chaos.set(Mode::Cut);
        eventually("requests that are spared", || {
            run.process.status()["targets"][0]["ledger"]["ended"]["failed"]["breaker_open"].as_u64() > Some(10)
        });
        run.process.signal("INT");
        let first = run.finish(130).remove(0);
        wavering.chaos.set(Mode::Pass);
        let last = Run::start(store, &[&flags[..], &["--resume", "--breaker", "off"]].concat()).finish(0).remove(0);
        let failed = of(&first, "failed", "breaker_open") + tried_in_vain(&first);
        let answered = [&first, &last].map(|run| run["ledger"]["answered"].as_u64().unwrap()).iter().sum::<u64>();
        assert_eq!(answered, COUNT - failed, "{} {}", first["ledger"], last["ledger"]);
        assert!(wavering.receiver.count() as u64 <= answered + tried_in_vain(&first));
        assert!(wavering.receiver.multiset().values().all(|times| *times == 1));
        assert_eq!(last["sent_again"], 0);
    }
}
