//! Every way for a store to fail, under load: no request fails or waits, memory stays flat, every record is accounted
//! for, what is wrong is said once, and recording resumes without a restart.

use std::time::Duration;

use umbra_tests::faults::{Fault, FaultyStore};
use umbra_tests::load::{SteadyLoad, post};
use umbra_tests::process::resident;
use umbra_tests::receiver::Receiver;
use umbra_tests::wait::eventually;

use crate::running::Running;

/// Half of the shortest time for which anything here waits for a store. If requests did so too, nearly all would take
/// longer while the fault lasts; a busy machine makes some of them slow.
const LONGEST: Duration = Duration::from_secs(1);
/// What records under way may hold (4 MiB), as often as they can be there: drafts, bytes, librdkafka's copies; and noise.
const GROWTH: usize = 32 << 20;

fn count(status: &serde_json::Value, end: &str) -> u64 {
    status["ledger"]["ended"][end].as_u64().unwrap()
}

/// `seen 9 = recorded 7 + dropped{memory} 2`: whether the sum is one.
fn adds_up(sum: &str) -> bool {
    let number = |part: &str| part.rsplit(' ').next()?.trim().parse::<u64>().ok();
    let Some((seen, ends)) = sum.split_once(" = ") else { return false };
    let ends: Option<u64> = ends.split(" + ").map(number).sum();
    !sum.contains("open") && number(seen).is_some() && number(seen) == ends
}

fn says_of_store(recorder: &Running, up: u8) -> bool {
    recorder.admin("/metrics").text().contains(&format!("\numbra_recorder_store_up {up}\n"))
}

/// Runs a recorder under load through the fault. `says` is what an operator reads of it; nothing where the recorder
/// mends the store before there is anything to read.
#[track_caller]
fn survives(fault: Fault, says: Option<&str>) {
    let (mut store, origin) = (FaultyStore::new(fault), Receiver::start());
    let config = store.config().display().to_string();
    let limits = ["--memory-limit", "4MiB", "--body-limit", "64KiB", "--drain-timeout", "4s"];
    let mut recorder = Running::start(&[&["--config", &config, "--upstream", &origin.url()][..], &limits].concat());
    let load = SteadyLoad::start(recorder.addr(), 4, 200, &post(1_000));
    eventually("the first records", || count(&recorder.status(), "recorded") > 50);
    let before = resident(recorder.program().pid());

    let began = load.elapsed();
    store.break_it();
    if let Some(says) = says {
        eventually("what is wrong in /status", || {
            let store = &recorder.status()["store"];
            store["state"] == "down" && store["error"].as_str().is_some_and(|e| e.contains(says))
        });
        recorder.program().stderr_line("the store does not take records");
        eventually("the metric is 0", || says_of_store(&recorder, 0));
    }
    let seen = recorder.status()["ledger"]["seen"].as_u64().unwrap();
    eventually("a second of the fault", || recorder.status()["ledger"]["seen"].as_u64().unwrap() > seen + 200);
    let during = resident(recorder.program().pid());

    let mended = load.elapsed();
    store.mend();
    let recorded = count(&recorder.status(), "recorded");
    eventually("recording resumes", || {
        let status = recorder.status();
        count(&status, "recorded") > recorded + 100 && status["store"]["state"] == "up"
    });
    eventually("the metric is 1 again", || says_of_store(&recorder, 1));
    let samples = load.finish();
    let failed = samples.iter().filter(|sample| !sample.good).count();
    assert_eq!(failed, 0, "of {} requests", samples.len());
    let mut during_it: Vec<_> =
        samples.iter().filter(|sample| (began..mended).contains(&sample.due)).map(|sample| sample.took).collect();
    during_it.sort_unstable();
    let usual = during_it[during_it.len() / 2];
    assert!(usual < LONGEST, "half of the requests took longer than {usual:?}");
    assert!(during < before + GROWTH, "{before} bytes have become {during}");
    recorder.signal("TERM");
    let finished = recorder.finish().expect(0);
    let sum = finished.stderr.lines().find_map(|line| line.split_once(": seen ").map(|(_, sum)| format!("seen {sum}")));
    assert!(sum.as_deref().is_some_and(adds_up), "{}", finished.stderr);
    let told = finished.stderr.lines().filter(|line| line.contains("the store does not take records")).count();
    assert!(told <= 2, "told {told} times:\n{}", finished.stderr);
}

#[test]
fn a_broker_that_is_killed() {
    survives(Fault::BrokerKilled, Some("onnect"));
}

#[test]
fn a_broker_that_is_paused() {
    survives(Fault::BrokerPaused, Some("no broker confirmed a record in time"));
}

#[test]
fn a_broker_behind_a_black_hole() {
    survives(Fault::BlackHole, Some("no broker confirmed a record in time"));
}

#[test]
fn a_broker_at_10_kib_a_second() {
    survives(Fault::Throttled, Some("no broker confirmed a record in time"));
}

#[test]
fn a_topic_that_is_deleted() {
    survives(Fault::TopicDeleted, None);
}

#[test]
fn a_topic_that_takes_no_message_so_large() {
    survives(Fault::TooLarge, Some("max.message.bytes"));
}

#[test]
fn a_broker_that_refuses_the_password() {
    survives(Fault::AuthenticationRefused, Some("uthentication"));
}

#[test]
fn a_full_disk() {
    survives(Fault::DiskFull, Some("full"));
}

#[test]
fn a_file_that_is_deleted() {
    survives(Fault::FileDeleted, None);
}

#[test]
fn a_file_that_another_process_keeps_locked() {
    survives(Fault::Locked, Some("another process keeps"));
}
