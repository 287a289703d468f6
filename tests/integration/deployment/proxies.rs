//! The configurations of `deploy/proxies`: [`crate::mirrors`] records behind those that mirror; here staging stands behind
//! those that take the shadow host.

use umbra_common::time::Timestamp;
use umbra_tests::deployed;
use umbra_tests::exchanges::get;
use umbra_tests::origin::Origin;
use umbra_tests::proxies::{Proxy, envoy, haproxy, nginx};
use umbra_tests::recorder::TestRecorder;
use umbra_tests::stores::TestStore;
use umbra_tests::wire::RawClient;

use super::statuses;

#[test]
fn every_configuration_passes_its_programs_own_check() {
    for (extension, check) in [("yaml", envoy::check as fn(&str) -> _), ("conf", nginx::check), ("cfg", haproxy::check)]
    {
        let files = deployed::files("proxies", extension);
        assert_eq!(files.len(), 2, "a mirror and a route for the shadow host: {files:?}");
        for file in files {
            check(&file).expect(0);
        }
    }
}

/// Exchanges with a host as most clients write it, and with a port.
fn recorded() -> TestStore {
    let store = TestStore::sqlite();
    let mut with_port = get(Timestamp::now(), "/with-a-port");
    with_port.request.authority = "api.example.com:8443".into();
    with_port.request.headers = [("host", "api.example.com:8443")].into_iter().collect();
    store.write(&[get(Timestamp::now(), "/"), with_port]);
    store
}

/// The shadow host is answered by the service; production's host and the proxy's own name are nobody's.
#[track_caller]
fn takes_the_shadow_host_alone(staging: impl Fn(std::net::SocketAddr) -> Proxy) {
    let (store, service) = (recorded(), Origin::start());
    let staging = staging(service.addr());
    assert_eq!(statuses(&store, &staging.url(), &["--host", "target"]), serde_json::json!({ "404": 2 }));
    assert_eq!(statuses(&store, &staging.url(), &["--host", "preserve"]), serde_json::json!({ "404": 2 }));
    assert_eq!(statuses(&store, &staging.url(), &[]), serde_json::json!({ "200": 2 }));
    let mut hosts: Vec<_> = service.wait_for(2).iter().map(|r| r.head.get("host")).collect();
    hosts.sort();
    assert_eq!(hosts, ["api.example.com-shadow", "api.example.com-shadow:8443"]);
}

#[test]
fn stagings_envoy_takes_the_shadow_host_alone() {
    takes_the_shadow_host_alone(Proxy::envoy_shadow);
}

#[test]
fn stagings_nginx_takes_the_shadow_host_alone() {
    takes_the_shadow_host_alone(Proxy::nginx_shadow);
}

#[test]
fn stagings_haproxy_takes_the_shadow_host_alone() {
    takes_the_shadow_host_alone(Proxy::haproxy_shadow);
}

#[test]
fn what_one_envoy_mirrors_is_served_behind_another() {
    let (production, service, store) = (Origin::start(), Origin::start(), TestStore::sqlite());
    let sink = TestRecorder::with(&["--store", store.url(), "--sink"]);
    let edge = Proxy::envoy_mirror(production.addr(), sink.addr());
    let request = "PUT /orders/%7E1?a=b HTTP/1.1\r\nhost: api.example.com\r\ncontent-length: 4\r\n\r\nbody";
    assert_eq!(RawClient::connect(edge.addr()).exchange(request).status(), 200);
    sink.until("the copy is recorded", |ledger| ledger.state("recorded") == 1);
    sink.drain();

    let staging = Proxy::envoy_shadow(service.addr());
    assert_eq!(statuses(&store, &staging.url(), &[]), serde_json::json!({ "200": 1 }));
    let served = service.only();
    assert_eq!((served.head.target(), &served.body.bytes[..]), (&b"/orders/%7E1?a=b"[..], &b"body"[..]));
    assert_eq!(served.head.get("host"), "api.example.com-shadow");
}
