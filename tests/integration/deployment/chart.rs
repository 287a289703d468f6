//! The chart: what it renders is valid, taken by the programs, confined, and adds up.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Value, json};
use umbra_replayer::command::Action;
use umbra_tests::kubernetes::{Chart, assert_valid, containers, pods};

use super::taking::container_is_taken;
use super::{EXAMPLES, rendered, umbra, values_of};

fn of_kind<'a>(documents: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    documents.iter().filter(move |d| d["kind"] == kind)
}

fn named<'a>(documents: &'a [Value], kind: &'a str, name: &str) -> &'a Value {
    let mut all = of_kind(documents, kind);
    all.find(|d| d["metadata"]["name"] == name).unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn arguments(container: &Value) -> Vec<&str> {
    container["args"].as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect()
}

#[test]
fn what_it_renders_is_valid_and_linted() {
    let mut all = Vec::new();
    for example in EXAMPLES {
        umbra().lint(&["-f", &values_of(example)]);
        all.extend(rendered(example, &[]));
        all.extend(rendered(example, &["--set", "podMonitor.enabled=true,targetDefaults.keda.enabled=true"]));
        all.extend(rendered(example, &["--set", "podDisruptionBudget.enabled=false,networkPolicy.enabled=false"]));
    }
    assert_valid(&all);
    for kind in ["Deployment", "Service", "Job", "PodDisruptionBudget", "NetworkPolicy", "PodMonitor", "ScaledObject"] {
        assert!(of_kind(&all, kind).count() > 0, "no {kind}");
    }
}

#[test]
fn every_flag_is_one_that_the_programs_take() {
    for example in EXAMPLES {
        let found = containers(&rendered(example, &[]));
        assert!(!found.is_empty());
        for container in found {
            container_is_taken(&container, 4);
        }
    }
}

#[test]
fn a_window_goes_to_a_target_behind_tls_with_a_token_and_a_profile() {
    let tls = "replay.caSecret.name=ca,replay.clientCertSecret.name=client,targets[0].url=https://httpbin.staging.svc";
    let token = "replay.tokens[0].header=Authorization,replay.tokens[0].secretName=staging,replay.tokens[0].key=token";
    let profile = "replay.profile=remove-headers = [\"x-b3-traceid\"]";
    let documents = rendered("replay", &["--set", tls, "--set", token, "--set", profile]);
    assert_valid(&documents);
    let container = containers(&documents).pop().unwrap();
    let given = |flag: &str| container.arguments.iter().any(|a| a.starts_with(flag));
    for flag in ["--target-ca=", "--target-cert=", "--target-key=", "--token=Authorization=file:", "--profile="] {
        assert!(given(flag), "{flag}: {:?}", container.arguments);
    }
    container_is_taken(&container, 4);
}

#[test]
fn the_shards_of_a_job_are_all_there() {
    let documents = rendered("replay", &[]);
    let job = named(&documents, "Job", "shop-umbra-replay-friday");
    assert_eq!(job["spec"]["completions"], job["spec"]["parallelism"]);
    let container = containers(&documents).pop().unwrap();
    let shards: BTreeSet<String> = container_is_taken(&container, job["spec"]["completions"].as_u64().unwrap())
        .into_iter()
        .map(|action| match action {
            Action::Replay(config) => config.shard.unwrap().to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(shards, BTreeSet::from(["1/4", "2/4", "3/4", "4/4"].map(str::to_owned)));
}

#[test]
fn the_same_window_is_the_same_job_and_another_is_another() {
    let one = ["--set", "replay.job=,replay.shards=1"];
    let name = |more: &[&str]| {
        let documents = rendered("replay", &[&one, more].concat());
        let job = of_kind(&documents, "Job").next().unwrap();
        let of_umbra = arguments(&job["spec"]["template"]["spec"]["containers"][0]);
        let of_umbra = of_umbra.iter().find_map(|a| a.strip_prefix("--job=")).unwrap();
        (job["metadata"]["name"].as_str().unwrap().to_owned(), of_umbra.to_owned())
    };
    assert_eq!(name(&[]), name(&["--set", "replay.startAt=2026-11-20T09:00:00Z"]));
    let (job, of_umbra) = name(&["--set", "replay.speed=3x"]);
    assert_ne!(job, name(&[]).0);
    assert_ne!(of_umbra, name(&[]).1);
}

#[test]
fn a_pod_has_more_time_than_its_drain_takes() {
    for (example, more) in
        [("inline", ""), ("sink", "recorder.preStopSeconds=20"), ("secured", "recorder.drainSeconds=300")]
    {
        let documents = rendered(example, &["--set", more]);
        for (document, pod) in pods(&documents) {
            let grace = pod["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap();
            let container = &pod["spec"]["containers"][0];
            let asleep = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap_or(0);
            let flags = ["--drain-timeout=", "--timeout="];
            let takes = arguments(container).iter().find_map(|a| flags.iter().find_map(|f| a.strip_prefix(f)));
            let takes: u64 = takes.unwrap().strip_suffix('s').unwrap().parse().unwrap();
            assert!(grace > asleep + takes, "{}: {grace} s", document["metadata"]["name"]);
        }
    }
}

#[test]
fn a_recorder_may_use_the_memory_that_it_says_it_needs() {
    let mib = |text: &str, unit: &str| text.strip_suffix(unit).and_then(|n| n.parse::<u64>().ok());
    for example in ["inline", "sink", "secured"] {
        let documents = rendered(example, &[]);
        let pod = &named(&documents, "Deployment", "shop-umbra-recorder")["spec"]["template"]["spec"];
        let (container, flags) = (&pod["containers"][0], arguments(&pod["containers"][0]));
        let limit = flags.iter().find_map(|f| mib(f.strip_prefix("--memory-limit=")?, "MiB")).unwrap();
        let copies = if flags.iter().any(|f| f.starts_with("--spool=")) { 2 } else { 1 };
        let allowed = mib(container["resources"]["limits"]["memory"].as_str().unwrap(), "Mi").unwrap();
        assert!(allowed >= limit * copies + 123 + 64, "{example}: {allowed} MiB");
    }
}

#[test]
fn every_pod_is_confined_and_holds_no_secret() {
    for example in EXAMPLES {
        let documents = rendered(example, &[]);
        assert_eq!(of_kind(&documents, "Secret").count(), 0, "{example}");
        for (_, pod) in pods(&documents) {
            let (spec, container) = (&pod["spec"], &pod["spec"]["containers"][0]);
            assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
            assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
            assert_eq!(spec["automountServiceAccountToken"], false);
            assert_eq!(spec["enableServiceLinks"], false);
            let security = &container["securityContext"];
            assert_eq!(security["readOnlyRootFilesystem"], true);
            assert_eq!(security["allowPrivilegeEscalation"], false);
            assert_eq!(security["capabilities"]["drop"], json!(["ALL"]));
            assert_eq!((&security["runAsNonRoot"], &security["runAsUser"]), (&json!(true), &json!(65532)));
            assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault");
            assert!(container["resources"]["limits"]["memory"].is_string());
            assert!(container["env"].is_null(), "secrets come as files");
        }
    }
}

#[test]
fn every_selector_selects_a_pod() {
    let documents = rendered("secured", &["--set", "replay.from=2026-11-17T09:00:00Z,replay.to=2026-11-17T10:00:00Z"]);
    let labels: Vec<&Value> = pods(&documents).map(|(_, pod)| &pod["metadata"]["labels"]).collect();
    let (mut seen, paths) = (0, ["/spec/selector/matchLabels", "/spec/podSelector/matchLabels", "/spec/selector"]);
    for document in &documents {
        let Some(selector) = paths.iter().find_map(|path| document.pointer(path)?.as_object()) else { continue };
        let selects = |labels: &&&Value| selector.iter().all(|(name, value)| labels[name] == *value);
        let count = labels.iter().filter(selects).count();
        assert_eq!(count, 1, "{} {}: {selector:?}", document["kind"], document["metadata"]["name"]);
        seen += 1;
    }
    assert!(seen >= 11, "{seen} selectors");
}

#[test]
fn a_target_is_a_deployment_and_a_consumer_group_of_its_own() {
    let documents = rendered("inline", &["--set", "targetDefaults.keda.enabled=true"]);
    for (target, rate) in [("v2", "--rate=200/s"), ("west", "--rate=50/s")] {
        let name = format!("shop-umbra-follow-{target}");
        let scaled = named(&documents, "ScaledObject", &name);
        assert_eq!(scaled["spec"]["scaleTargetRef"]["name"], name);
        let trigger = &scaled["spec"]["triggers"][0]["metadata"];
        assert_eq!(trigger["consumerGroup"], format!("umbra-{target}"));
        assert_eq!(trigger["topic"], "traffic");
        let deployment = named(&documents, "Deployment", &name);
        assert!(deployment["spec"]["replicas"].is_null(), "KEDA's number would be undone by each upgrade");
        let flags = arguments(&deployment["spec"]["template"]["spec"]["containers"][0]);
        assert!(flags.contains(&rate), "{flags:?}");
        assert_eq!(flags.iter().filter(|f| f.starts_with("--target=")).count(), 1);
    }
}

#[test]
fn replayers_reach_dns_kafka_and_their_own_targets_alone() {
    let documents = rendered("inline", &[]);
    let namespace =
        |name: &str| json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": name } } });
    for (target, to) in [("v2", namespace("staging")), ("west", json!({ "ipBlock": { "cidr": "198.51.100.7/32" } }))] {
        let policy = named(&documents, "NetworkPolicy", &format!("shop-umbra-follow-{target}"));
        assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
        let egress = policy["spec"]["egress"].as_array().unwrap();
        let [dns, kafka, own] = egress.as_slice() else { panic!("{egress:?}") };
        assert_eq!(dns["ports"], json!([{ "protocol": "UDP", "port": 53 }, { "protocol": "TCP", "port": 53 }]));
        assert_eq!(kafka["to"], json!([namespace("kafka")]));
        assert_eq!(kafka["ports"], json!([{ "protocol": "TCP", "port": 9092 }]));
        assert_eq!(own["to"], json!([to]));
        let ingress = policy["spec"]["ingress"].as_array().unwrap();
        assert_eq!(ingress.len(), 1, "only who monitors: {ingress:?}");
        assert_eq!(ingress[0]["from"], json!([namespace("monitoring")]));
    }
}

#[test]
fn replayers_reach_what_a_mesh_needs_where_it_is_given() {
    let mesh = r#"networkPolicy.egress=[{"to":[{"namespaceSelector":{"matchLabels":{"mesh":"istio"}}}]}]"#;
    let documents = rendered("replay", &["--set", "targets[0].follow=true", "--set-json", mesh]);
    assert_valid(&documents);
    let policies = of_kind(&documents, "NetworkPolicy").filter(|policy| policy["spec"]["egress"].is_array());
    let to = |policy: &Value| policy["spec"]["egress"].as_array().unwrap().iter().map(|r| r["to"].clone()).collect();
    let all: Vec<Vec<Value>> = policies.map(to).collect();
    let mesh = json!([{ "namespaceSelector": { "matchLabels": { "mesh": "istio" } } }]);
    assert!(all.len() == 2 && all.iter().all(|peers| peers.contains(&mesh)), "{all:?}");
}

#[test]
fn an_image_is_named_by_its_digest_where_that_is_given() {
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    let documents = rendered("inline", &["--set", &format!("image.digests.recorder={digest}")]);
    let images: BTreeSet<String> =
        pods(&documents).map(|(_, pod)| pod["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()).collect();
    let registry = "registry.example.com/umbra";
    let named = [format!("{registry}/umbra-recorder@{digest}"), format!("{registry}/umbra-replayer:0.1.0")];
    assert_eq!(images, BTreeSet::from(named));
}

#[test]
fn the_alerts_know_the_pods_whatever_the_release_is_called() {
    let rules = umbra_tests::deployed::text("prometheus/rules.yml");
    let by_job = Regex::new(r#"up\{job=~"([^"]+)"\} == 0"#).unwrap();
    let jobs: Vec<Regex> =
        by_job.captures_iter(&rules).map(|found| Regex::new(&format!("^(?:{})$", &found[1])).unwrap()).collect();
    assert_eq!(jobs.len(), 2, "a recorder's and a replayer's");
    for name in ["", "shadow", "a-name-of-thirty-letters-umbra"] {
        let flags = ["--set", "podMonitor.enabled=true", "--set", &format!("nameOverride={name}")];
        let documents = rendered("inline", &flags);
        for component in ["recorder", "follow"] {
            let mut monitors = of_kind(&documents, "PodMonitor");
            let of = monitors.find(|m| m["metadata"]["name"].as_str().unwrap().ends_with(component)).unwrap();
            let relabelled = of["spec"]["podMetricsEndpoints"][0]["relabelings"][0]["replacement"].as_str();
            let by_name = format!("staging/{}", of["metadata"]["name"].as_str().unwrap());
            let job = relabelled.unwrap_or(&by_name);
            assert!(jobs.iter().any(|known| known.is_match(job)), "no alert knows {job}");
        }
    }
}

#[test]
fn the_notes_name_what_was_installed() {
    let sidecar = umbra().notes("shop", &["-f", &values_of("inline"), "--set", "recorder.mode=sidecar"]);
    assert!(sidecar.contains("umbra.sidecar.labels") && !sidecar.contains("deploy/shop-umbra-recorder"), "{sidecar}");
    for (example, words) in [
        ("inline", ["shop-umbra-recorder:80", "records 1% of", "umbra-v2", "create secret generic umbra-admin"]),
        ("sink", ["shop-umbra-recorder:8080", "shadow host", "as it comes", "--set replay.from="]),
        ("replay", ["2026-11-17T09:00:00Z", "4 shard(s)", "component=replay", "umbra-admin"]),
    ] {
        let notes = umbra().notes("shop", &["-f", &values_of(example)]);
        for word in words {
            assert!(notes.contains(word), "'{word}' is missing in:\n{notes}");
        }
    }
}

#[test]
fn a_chart_of_ones_own_takes_the_recorder_as_a_sidecar() {
    let example = Chart::at(umbra_tests::deployed::path("helm/examples/sidecar"));
    let (_folder, shop) = example.with("umbra", &umbra());
    let documents = shop.render("shop", &["--set", "umbra.podMonitor.enabled=true"]).unwrap();
    assert_valid(&documents);
    let (_, pod) = pods(&documents).next().unwrap();
    let monitored = &named(&documents, "PodMonitor", "shop-umbra-recorder")["spec"];
    let by = monitored["selector"]["matchLabels"].as_object().unwrap();
    assert!(!by.is_empty() && by.iter().all(|(name, value)| pod["metadata"]["labels"][name] == *value), "{by:?}");
    let sidecar = &pod["spec"]["initContainers"][0];
    assert_eq!(sidecar["restartPolicy"], "Always");
    let service = named(&documents, "Service", "shop");
    assert_eq!(service["spec"]["ports"][0]["targetPort"], sidecar["ports"][0]["name"]);
    assert_eq!(pods(&documents).count(), 1, "nothing of the chart's own runs");
    assert!(pod["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap() > 5 + 30 + 10);
    let found = containers(&documents);
    assert_eq!(found.len(), 1);
    container_is_taken(&found[0], 1);
}
