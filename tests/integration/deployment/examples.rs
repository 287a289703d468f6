//! Examples that stand by themselves.

use umbra_replayer::command::Action;
use umbra_tests::deployed;
use umbra_tests::kubernetes::{assert_valid, containers, documents_of};

use super::taking::container_is_taken;

#[test]
fn the_plain_job_is_valid_and_its_shards_are_all_there() {
    let documents = documents_of(&deployed::path("helm/examples/replay-job.yaml"));
    assert_valid(&documents);
    let found = containers(&documents);
    let shards: Vec<String> = container_is_taken(&found[0], documents[0]["spec"]["completions"].as_u64().unwrap())
        .into_iter()
        .map(|action| if let Action::Replay(c) = action { c.shard.unwrap().to_string() } else { panic!("{action:?}") })
        .collect();
    assert_eq!(shards, ["1/4", "2/4", "3/4", "4/4"]);
}

#[test]
fn strimzis_topic_and_users_are_valid() {
    assert_valid(&documents_of(&deployed::path("helm/examples/strimzi.yaml")));
}
