//! Values that are wrong are refused by name.

use super::{umbra, values_of};

#[track_caller]
fn assert_refused(example: &str, wrong: &str, named: &[&str]) {
    let file = values_of(example);
    let Err(said) = umbra().render("shop", &["-f", &file, "--set", wrong]) else { panic!("{wrong} was taken") };
    for name in named {
        assert!(said.contains(name), "{wrong}: '{name}' is missing in:\n{said}");
    }
}

#[test]
fn a_wrong_value_is_named() {
    for (wrong, field) in [
        ("recorder.mode=inlin", "/recorder/mode"),
        ("recorder.replicas=0", "/recorder/replicas"),
        ("recorder.sample=1", "/recorder/sample"),
        ("recorder.bodyLimit=1MB", "/recorder/bodyLimit"),
        ("recorder.responses=all", "/recorder/responses"),
        ("recorder.upstream=httpbin:8000", "/recorder/upstream"),
        ("recorder.extraArgs[0]=-x", "/recorder/extraArgs/0"),
        ("recorder.drainSeconds=30s", "/recorder/drainSeconds"),
        ("kafka.brokers[0]=kafka", "/kafka/brokers/0"),
        ("kafka.topic=a topic", "/kafka/topic"),
        ("kafka.sasl.mechanism=GSSAPI", "/kafka/sasl/mechanism"),
        ("kafka.properties.sasl\\.password=hunter2", "sasl.password"),
        ("image.tag=latest", "/image/tag"),
        ("image.digests.recorder=0123456789abcdef", "/image/digests/recorder"),
        ("targets[0].name=Staging_1", "/targets/0/name"),
        ("targets[0].url=staging:8000", "/targets/0/url"),
        ("targets[0].rate=200", "/targets/0/rate"),
        ("targets[0].maxLag=long", "/targets/0/maxLag"),
        ("targets[0].keda.lagThreshold=0", "/targets/0/keda/lagThreshold"),
        ("replay.from=-15m", "/replay/from"),
        ("replay.shards=0", "/replay/shards"),
        ("podMonitor.interval=often", "/podMonitor/interval"),
        ("networkPolicy.enabled=maybe", "/networkPolicy/enabled"),
        ("networkPolicy.egress[0]=istio-system", "/networkPolicy/egress/0"),
    ] {
        assert_refused("inline", wrong, &[field]);
    }
}

#[test]
fn a_key_that_nothing_reads_is_refused() {
    for (wrong, key) in [
        ("recoder.mode=sink", "recoder"),
        ("recorder.smaple=1%", "smaple"),
        ("targets[0].ratee=1/s", "ratee"),
        ("kafka.tls.enable=true", "enable"),
        ("adminToken.value=hunter2", "value"),
        ("replay.form=x", "form"),
        ("targetDefaults.rate=1/s", "rate"),
    ] {
        assert_refused("inline", wrong, &[key]);
    }
}

#[test]
fn what_is_missing_is_asked_for() {
    assert_refused("inline", "recorder.upstream=", &["/recorder/upstream"]);
    assert_refused("inline", "kafka.brokers=null", &["brokers"]);
    assert_refused(
        "inline",
        "kafka.sasl.mechanism=PLAIN",
        &["/kafka/sasl/username", "/kafka/sasl/passwordSecret/name"],
    );
    assert_refused("inline", "replay.from=2026-11-17T09:00:00Z", &["/replay/to"]);
    assert_refused("replay", "replay.startAt=", &["replay.startAt", "common clock"]);
    assert_refused("replay", "replay.targets[0]=nobody", &["replay.targets", "'nobody'"]);
    assert_refused("inline", "targets[1].name=v2", &["'v2' is given twice"]);
    let outside = "targets[0].url=https://gateway.west.example.net";
    assert_refused("sink", outside, &["gateway.west.example.net", "egress", "networkPolicy.enabled"]);
    assert_refused(
        "inline",
        "kafka.brokers[0]=broker.example.net:9092",
        &["networkPolicy.kafka", "broker.example.net"],
    );
}
