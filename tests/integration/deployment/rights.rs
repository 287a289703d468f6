//! The rights that `strimzi.yaml` gives are enough for the programs, and no more than it says, on a Kafka that asks for them.

use serde_json::Value;
use umbra_common::store::StoreConfig;
use umbra_tests::deployed;
use umbra_tests::kafka::GuardedBroker;
use umbra_tests::kubernetes::documents_of;
use umbra_tests::receiver::Receiver;
use umbra_tests::wait::eventually;
use umbra_tests::wire;

use crate::controlled::Controlled;
use crate::programs::{recorder, replayer};
use crate::running::Running;

const GET: &str = "GET /rights HTTP/1.1\r\nhost: a\r\n\r\n";

fn user<'a>(users: &'a [Value], name: &str) -> &'a Value {
    users.iter().find(|user| user["metadata"]["name"] == name).unwrap()
}

fn metric(recorder: &Running, name: &str) -> Option<u64> {
    let text = String::from_utf8(recorder.admin("/metrics").body.bytes).unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[test]
fn the_users_can_do_what_the_programs_do_and_no_more() {
    let documents = documents_of(&deployed::path("helm/examples/strimzi.yaml"));
    let (users, topics): (Vec<Value>, Vec<Value>) = documents.into_iter().partition(|d| d["kind"] == "KafkaUser");
    let topic = topics[0]["metadata"]["name"].as_str().unwrap();
    let mut broker = GuardedBroker::start(&users);
    // The operator makes the topic.
    let open: StoreConfig =
        StoreConfig::new(format!("kafka://{}/{topic}?partitions=2", broker.open()).parse().unwrap());
    umbra_tests::stores::write_raw(&open, Vec::new());
    let as_recorder = broker.config(user(&users, "umbra-recorder"), topic);
    let as_replayer = broker.config(user(&users, "umbra-replayer"), topic);
    let [as_recorder, as_replayer] = [&as_recorder, &as_replayer].map(|file| file.path().to_str().unwrap());

    // Through an outage, so that the spool's records and their marks are written, too.
    let spool = tempfile::tempdir().unwrap();
    broker.stop();
    let mut recording = Running::start(&["--sink", "--config", as_recorder, "--spool", spool.path().to_str().unwrap()]);
    assert_eq!(wire::exchange(recording.addr(), GET).status(), 204);
    eventually("the spool has the record", || metric(&recording, "umbra_recorder_spool_written_total") == Some(1));
    broker.restart();
    eventually("the store has the record", || metric(&recording, "umbra_recorder_spool_delivered_total") == Some(1));
    recording.program().signal("TERM");
    let said = recording.finish().expect(0).stderr;
    assert!(!said.contains("uthorization failed") && !said.contains("umbra.late"), "{said}");

    let staging = Receiver::start();
    let target = format!("staging={}", staging.url());
    let follower = Controlled::start(&["follow", "--config", as_replayer, "--target", &target, "--from", "earliest"]);
    staging.wait_for(1);
    follower.signal("TERM");
    follower.finish().expect(130);
    let window = ["--config", as_replayer, "--target", &target, "--from", "-1h", "--to", "now", "--job", "rights"];
    replayer(&[&["replay"], &window[..]].concat()).finish().expect(0);
    staging.wait_for(2);
    replayer(&["job", "delete", "rights", "--config", as_replayer]).finish().expect(0);

    // The recorder's user belongs to no group of a follower, the replayer's writes nothing.
    let refused = replayer(&["follow", "--config", as_recorder, "--target", &target]).finish().expect(1).stderr;
    assert!(refused.to_lowercase().contains("authorization"), "{refused}");
    let mut writing = Running::of(recorder(&[
        "--sink",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--config",
        as_replayer,
    ]));
    assert_eq!(wire::exchange(writing.addr(), GET).status(), 204);
    writing.program().signal("TERM");
    let said = writing.finish().expect(0).stderr;
    assert!(said.contains("1 requests are not recorded"), "{said}");
}
