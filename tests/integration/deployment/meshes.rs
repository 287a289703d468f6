//! The examples for Istio and the Gateway API: what a cluster would take, and their routes behind a real Envoy.

use serde_json::{Value, json};
use umbra_tests::deployed;
use umbra_tests::grpc::Greeter;
use umbra_tests::installed::installed;
use umbra_tests::kubernetes::{assert_valid, documents_of, pods};
use umbra_tests::mesh::{Backend, gateway};
use umbra_tests::origin::Origin;
use umbra_tests::process::Process;
use umbra_tests::proxies::Proxy;
use umbra_tests::recorder::TestRecorder;
use umbra_tests::replayer::run;
use umbra_tests::stores::TestStore;
use umbra_tests::wire::RawClient;

use super::statuses;
use crate::controlled::Controlled;
use crate::programs::{recorder, replayer};

fn documents(files: &[&str]) -> Vec<Value> {
    files.iter().flat_map(|file| documents_of(&deployed::path(file))).collect()
}

fn files() -> Vec<String> {
    [deployed::files("istio", "yaml"), deployed::files("gateway-api", "yaml")].concat()
}

#[test]
fn every_document_is_one_that_a_cluster_takes() {
    let files = files();
    assert_eq!(files.len(), 14, "{files:?}");
    let all: Vec<Value> = files.iter().flat_map(|file| documents(&[file])).collect();
    assert_valid(&all);
}

/// The arguments of every container of a program, with what only a cluster has replaced.
fn arguments(program: &str, directory: &std::path::Path) -> Vec<Vec<String>> {
    let secrets = format!("file:{}", directory.display());
    let store = format!("--store=sqlite:{}", directory.join("traffic.db").display());
    let mut found = Vec::new();
    for document in documents(&files().iter().map(String::as_str).collect::<Vec<_>>()) {
        for container in document["spec"]["template"]["spec"]["containers"].as_array().into_iter().flatten() {
            if !container["image"].as_str().unwrap().contains(program) {
                continue;
            }
            let given = container["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap());
            let local = given.map(|argument| match argument.split_once('=') {
                Some(("--store", _)) if program == "umbra-replayer" => store.clone(),
                Some(("--admin", _)) => "--admin=127.0.0.1:0".to_owned(),
                Some(("--target", target)) => {
                    format!("--target={}=http://127.0.0.1:1", target.split_once('=').unwrap().0)
                }
                _ => argument.replace("file:/run/secrets/umbra", &secrets),
            });
            found.push(local.collect());
        }
    }
    found
}

#[test]
fn every_container_runs_with_its_arguments() {
    let store = TestStore::sqlite();
    store.write(&[]);
    std::fs::write(store.directory().join("token"), "a-token-of-operators").unwrap();
    let recorders = arguments("umbra-recorder", store.directory());
    let replayers = arguments("umbra-replayer", store.directory());
    assert_eq!((recorders.len(), replayers.len()), (4, 5));
    for given in recorders {
        let given: Vec<&str> = given.iter().map(String::as_str).chain(["--check"]).collect();
        recorder(&given).finish().expect(0);
    }
    for given in replayers {
        let running = Controlled::started(replayer(&given.iter().map(String::as_str).collect::<Vec<_>>()));
        assert_eq!(running.ask("GET", "/livez", "", "").status(), 200);
    }
}

fn injected(pod: &Value) -> bool {
    pod["metadata"]["annotations"]["sidecar.istio.io/inject"] != "false"
}

#[test]
fn every_pod_is_probed_confined_and_has_the_time_to_drain() {
    let documents = documents(&files().iter().map(String::as_str).collect::<Vec<_>>());
    let mut seen = 0;
    for (_, pod) in pods(&documents) {
        for container in pod["spec"]["containers"].as_array().unwrap() {
            if !container["image"].as_str().unwrap().contains("/umbra-") {
                continue;
            }
            seen += 1;
            let ports: Vec<&Value> = container["ports"].as_array().unwrap().iter().map(|port| &port["name"]).collect();
            for (probe, path) in [("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
                let asked = &container[probe]["httpGet"];
                assert!(asked["path"] == path && ports.contains(&&asked["port"]), "{probe} of {container}");
            }
            let security = &container["securityContext"];
            assert_eq!((&security["runAsNonRoot"], &security["readOnlyRootFilesystem"]), (&json!(true), &json!(true)));
            assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault");
            let given = |flag: &str| {
                let mut all = container["args"].as_array().unwrap().iter().filter_map(Value::as_str);
                all.find_map(|argument| argument.strip_prefix(flag)?.trim_end_matches('s').parse::<u64>().ok())
            };
            let asleep = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap_or(0);
            // 10 s are what a request to a target may take.
            let takes = asleep + given("--drain-timeout=").unwrap_or(10);
            assert!(pod["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap() > takes, "{pod}");
            // Istio's own would leave after 5 s.
            let proxy = pod["metadata"]["annotations"]["proxy.istio.io/config"].as_str().unwrap_or_default();
            assert!(!injected(pod) || proxy.contains("EXIT_ON_ZERO_ACTIVE_CONNECTIONS"), "{pod}");
        }
    }
    assert_eq!(seen, 9);
}

/// The way of one request.
struct Way<'a> {
    target: &'a str,
    /// Where its record is shown.
    readme: Option<&'a str>,
    /// Production's and staging's.
    gateways: [&'a Proxy; 2],
    origins: [&'a Origin; 2],
}

/// A line of `traffic list` without what differs from run to run: method, host, path, status and size.
fn columns(line: &str) -> Vec<&str> {
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words.len(), 9, "time, method, host, path, status, duration and its unit, size, id: {line}");
    [1, 2, 3, 4, 7].map(|n| words[n]).to_vec()
}

/// What is in a store is what a README shows of it.
#[track_caller]
fn is_shown_in(readme: &str, store: &TestStore, host: &str) {
    let (_, listed) = run(&["traffic", "list", "--store", store.url(), "--from", "-1h"]);
    let is = listed.lines().find(|line| line.contains(host)).unwrap();
    let text = deployed::text(readme);
    let mut shown = text.lines().filter(|line| line.starts_with("20") && line.contains(host));
    assert!(shown.any(|line| columns(line) == columns(is)), "{readme} is to show:\n{is}");
}

/// Sends one request to production's host, waits for its record, and has a replayer send that to the gateway of staging.
#[track_caller]
fn goes_to_v1_and_later_to_v2(way: &Way<'_>, recorder: TestRecorder, store: &TestStore) {
    let Way { target, readme, gateways: [production, staging], origins: to } = *way;
    let request = format!("GET {target} HTTP/1.1\r\nhost: httpbin.example.com\r\n\r\n");
    assert_eq!(RawClient::connect(production.addr()).exchange(request).status(), 200);
    let elsewhere = "GET /get HTTP/1.1\r\nhost: umbra-recorder\r\n\r\n";
    assert_eq!(RawClient::connect(production.addr()).exchange(elsewhere).status(), 404);
    recorder.until("the request is recorded", |ledger| ledger.state("recorded") == 1);
    assert_eq!(recorder.drain().seen, 1);
    if let Some(readme) = readme {
        is_shown_in(readme, store, "httpbin.example.com");
    }

    assert_eq!(statuses(store, &staging.url(), &["--host", "target"]), json!({ "404": 1 }));
    assert_eq!(statuses(store, &staging.url(), &[]), json!({ "200": 1 }));
    for (origin, host) in to.into_iter().zip(["httpbin.example.com", "httpbin.example.com-shadow"]) {
        let came = origin.only();
        assert_eq!((came.head.target(), came.head.get("host").as_str()), (&b"/get?a=b"[..], host));
    }
}

#[test]
fn inline_behind_istios_gateway() {
    let (v1, v2, store) = (Origin::start(), Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &v1.url(), &[]);
    let backends = [
        Backend { name: "httpbin/v1", addr: recorder.addr(), http2: false },
        Backend { name: "httpbin/v2", addr: v2.addr(), http2: false },
    ];
    let gateway = gateway(&documents(&["istio/inline/routes.yaml"]), &backends);
    let way = Way {
        target: "/httpbin/get?a=b",
        readme: Some("istio/inline/README.md"),
        gateways: [&gateway, &gateway],
        origins: [&v1, &v2],
    };
    goes_to_v1_and_later_to_v2(&way, recorder, &store);
}

#[test]
fn istios_mirror_to_the_sink() {
    let (v1, v2, store) = (Origin::start(), Origin::start(), TestStore::sqlite());
    let sink = TestRecorder::with(&["--store", store.url(), "--sink"]);
    let backends = [
        Backend { name: "httpbin/v1", addr: v1.addr(), http2: false },
        Backend { name: "httpbin/v2", addr: v2.addr(), http2: false },
        Backend { name: "umbra-recorder", addr: sink.addr(), http2: false },
    ];
    let gateway = gateway(&documents(&["istio/mirror-to-sink/routes.yaml"]), &backends);
    let way = Way {
        target: "/httpbin/get?a=b",
        readme: Some("istio/mirror-to-sink/README.md"),
        gateways: [&gateway, &gateway],
        origins: [&v1, &v2],
    };
    goes_to_v1_and_later_to_v2(&way, sink, &store);
}

#[test]
fn from_one_cluster_to_another() {
    let (production, staging, store) = (Origin::start(), Origin::start(), TestStore::sqlite());
    let sink = TestRecorder::with(&["--store", store.url(), "--sink"]);
    let backends = [
        Backend { name: "httpbin", addr: production.addr(), http2: false },
        Backend { name: "umbra-recorder", addr: sink.addr(), http2: false },
    ];
    let a = gateway(&documents(&["istio/cross-cluster/cluster-a.yaml"]), &backends);
    let backends = [Backend { name: "httpbin", addr: staging.addr(), http2: false }];
    let b = gateway(&documents(&["istio/cross-cluster/cluster-b.yaml"]), &backends);
    let way = Way { target: "/get?a=b", readme: None, gateways: [&a, &b], origins: [&production, &staging] };
    goes_to_v1_and_later_to_v2(&way, sink, &store);
}

#[test]
fn the_gateway_apis_mirror_to_the_sink() {
    let (v1, v2, store) = (Origin::start(), Origin::start(), TestStore::sqlite());
    let sink = TestRecorder::with(&["--store", store.url(), "--sink"]);
    let backends = [
        Backend { name: "httpbin-v1", addr: v1.addr(), http2: false },
        Backend { name: "httpbin-v2", addr: v2.addr(), http2: false },
        Backend { name: "umbra-recorder", addr: sink.addr(), http2: false },
    ];
    let gateway = gateway(&documents(&["gateway-api/routes.yaml"]), &backends);
    let way = Way { target: "/httpbin/get?a=b", readme: None, gateways: [&gateway, &gateway], origins: [&v1, &v2] };
    goes_to_v1_and_later_to_v2(&way, sink, &store);
}

/// What grpcurl prints for a call of the greeter by way of a gateway.
#[track_caller]
fn grpcurl(gateway: &Proxy) -> String {
    const INSTALL: &str = "go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4";
    let protocol = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
    let files = ["-plaintext", "-import-path", protocol, "-proto", "helloworld.proto"];
    let (at, call) = (gateway.addr().to_string(), "helloworld.Greeter/SayHello");
    let asked = ["-authority", "greeter.example.com", "-d", r#"{"name": "world"}"#, &at, call];
    Process::start(installed("grpcurl", INSTALL).to_str().unwrap(), &[&files[..], &asked].concat(), &[])
        .finish()
        .expect(0)
        .stdout
}

/// The call is answered by v1, recorded, and answered by v2 when a replayer sends it.
#[track_caller]
fn greets_v1_and_later_v2(file: &str, recorder: TestRecorder, store: &TestStore, v1: &Greeter, v2: &Greeter) {
    let (v1_at, sink_at) = match file {
        "istio/grpc/inline.yaml" => (recorder.addr(), v1.addr()),
        _ => (v1.addr(), recorder.addr()),
    };
    let backends = [
        Backend { name: "greeter/v1", addr: v1_at, http2: true },
        Backend { name: "greeter/v2", addr: v2.addr(), http2: true },
        Backend { name: "umbra-recorder", addr: sink_at, http2: true },
    ];
    let gateway = gateway(&documents(&["istio/grpc/common.yaml", file]), &backends);
    assert_eq!(grpcurl(&gateway), "{\n  \"message\": \"Hello world!\"\n}\n");
    recorder.until("the call is recorded", |ledger| ledger.state("recorded") == 1);
    recorder.drain();
    is_shown_in("istio/grpc/README.md", store, "greeter.example.com");
    assert_eq!(statuses(store, &gateway.url(), &[]), json!({ "200": 1 }));
    for (greeter, host) in [(v1, "greeter.example.com"), (v2, "greeter.example.com-shadow")] {
        let calls = greeter.wait_for(1);
        assert_eq!((calls.len(), &calls[0].names[..]), (1, &["world".to_owned()][..]));
        assert_eq!(calls[0].uri.authority().unwrap().as_str(), host);
    }
}

#[test]
fn a_greeter_with_a_recorder_in_its_pod() {
    let (v1, v2, store) = (Greeter::start(), Greeter::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &v1.url().replace("http:", "h2c:"), &[]);
    greets_v1_and_later_v2("istio/grpc/inline.yaml", recorder, &store, &v1, &v2);
}

#[test]
fn a_greeter_that_istio_mirrors_to_the_sink() {
    let (v1, v2, store) = (Greeter::start(), Greeter::start(), TestStore::sqlite());
    let sink = TestRecorder::with(&["--store", store.url(), "--sink"]);
    greets_v1_and_later_v2("istio/grpc/sink.yaml", sink, &store, &v1, &v2);
}
