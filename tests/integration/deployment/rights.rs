//! The rights that `strimzi.yaml` gives are enough for the programs, and no more than it says, on a Kafka that asks for them.

use std::time::Duration;

use serde_json::Value;
use umbra_common::codec;
use umbra_common::store::StoreConfig;
use umbra_common::time::Timestamp;
use umbra_tests::deployed;
use umbra_tests::exchanges::get;
use umbra_tests::kafka::GuardedBroker;
use umbra_tests::kubernetes::documents_of;
use umbra_tests::receiver::Receiver;
use umbra_tests::stores::write_raw;
use umbra_tests::wait::eventually;
use umbra_tests::wire;

use crate::controlled::Controlled;
use crate::programs::{recorder, replayer};
use crate::running::Running;

const LESSER: &str = "umbra-recorder-without-late";
const GET: &str = "GET /rights HTTP/1.1\r\nhost: a\r\n\r\n";

fn user<'a>(users: &'a [Value], name: &str) -> &'a Value {
    users.iter().find(|user| user["metadata"]["name"] == name).unwrap()
}

/// The same user, with fewer rights.
fn without_late_group(user: &Value) -> Value {
    let mut user = user.clone();
    user["metadata"]["name"] = LESSER.into();
    let rights = user["spec"]["authorization"]["acls"].as_array_mut().unwrap();
    let before = rights.len();
    rights.retain(|right| right["resource"]["type"] != "group");
    assert!(rights.len() < before, "the recorder's user has a right on a group");
    user
}

fn metric(recorder: &Running, name: &str) -> Option<u64> {
    let text = String::from_utf8(recorder.admin("/metrics").body.bytes).unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[test]
fn the_users_can_do_what_the_programs_do_and_no_more() {
    let documents = documents_of(&deployed::path("helm/examples/strimzi.yaml"));
    let (mut users, topics): (Vec<Value>, Vec<Value>) = documents.into_iter().partition(|d| d["kind"] == "KafkaUser");
    users.push(without_late_group(user(&users, "umbra-recorder")));
    let topic = topics[0]["metadata"]["name"].as_str().unwrap();
    let mut broker = GuardedBroker::start(&users);
    // The operator makes the topic, which is there when it has a record.
    let open: StoreConfig =
        StoreConfig::new(format!("kafka://{}/{topic}?partitions=2", broker.open()).parse().unwrap());
    let first = get(Timestamp::now().before(Duration::from_secs(7200)), "/first");
    write_raw(&open, vec![(first.id, first.arrival, codec::encode(&first))]);
    let as_recorder = broker.config(user(&users, "umbra-recorder"), topic);
    let as_replayer = broker.config(user(&users, "umbra-replayer"), topic);
    let as_lesser = broker.config(user(&users, LESSER), topic);
    let [as_recorder, as_replayer, as_lesser] =
        [&as_recorder, &as_replayer, &as_lesser].map(|file| file.path().to_str().unwrap());

    // Through an outage, so that the spool's records and their marks are written, too.
    let spools = [(), ()].map(|()| tempfile::tempdir().unwrap());
    broker.stop();
    let [mut recording, mut lesser] = [(as_recorder, &spools[0]), (as_lesser, &spools[1])].map(|(config, spool)| {
        let recording = Running::start(&["--sink", "--config", config, "--spool", spool.path().to_str().unwrap()]);
        assert_eq!(wire::exchange(recording.addr(), GET).status(), 204);
        eventually("the spool has the record", || metric(&recording, "umbra_recorder_spool_written_total") == Some(1));
        recording
    });
    broker.restart();
    eventually("the store has the record", || metric(&recording, "umbra_recorder_spool_delivered_total") == Some(1));
    recording.program().signal("TERM");
    let said = recording.finish().expect(0).stderr;
    assert!(!said.contains("uthorization failed") && !said.contains("umbra.late"), "{said}");
    // Without the group records arrive all the same, and it is said which windows will not find them.
    eventually("the store has its record", || metric(&lesser, "umbra_recorder_spool_delivered_total") == Some(1));
    lesser.program().signal("TERM");
    let said = lesser.finish().expect(0).stderr;
    assert!(said.contains("allow the group umbra.late"), "{said}");

    // Both records are there; the window below is found by time, and holds what is marked.
    let staging = Receiver::start();
    let target = format!("staging={}", staging.url());
    let follower = Controlled::start(&["follow", "--config", as_replayer, "--target", &target, "--from", "earliest"]);
    staging.wait_for(3);
    follower.signal("TERM");
    follower.finish().expect(130);
    let window = ["--config", as_replayer, "--target", &target, "--from", "-1h", "--to", "now", "--job", "rights"];
    replayer(&[&["replay"], &window[..]].concat()).finish().expect(0);
    staging.wait_for(4);
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
