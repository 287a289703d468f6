//! How many connections there may be, and what one too many is told.

use std::net::IpAddr;

use umbra_tests::frames::{FrameClient, kind};
use umbra_tests::origin::Origin;
use umbra_tests::recorder::TestRecorder;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::eventually;
use umbra_tests::wire::RawClient;

use super::{GET, counted, ended};
use crate::programs::recorder_with_files;
use crate::running::Running;

#[track_caller]
fn is_turned_away(mut client: RawClient) {
    client.send(GET);
    let response = client.response();
    assert_eq!((response.status(), response.text().as_str()), (503, "umbra-recorder: too many connections\n"));
    assert_eq!(response.head.get("connection"), "close");
    assert!(client.is_closed_by_peer());
}

/// A connection on which a request was answered.
#[track_caller]
fn served(mut client: RawClient) -> RawClient {
    assert_eq!(client.exchange(GET).status(), 200);
    client
}

#[test]
fn one_too_many_is_told_so_in_its_own_protocol() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &["--max-connections", "2"]);
    let places = [served(recorder.client()), served(recorder.client())];
    is_turned_away(recorder.client());
    let mut http2 = FrameClient::connect(recorder.addr());
    http2.get(1, "/");
    let goodbye = http2.until(kind::GOAWAY);
    // No stream was looked at: all may be tried again.
    assert_eq!((&goodbye.payload[..4], goodbye.error()), (&[0; 4][..], 0));
    assert_eq!(http2.rest(), []);
    counted(&recorder, &ended("full"), 2);
    let mut places = places.map(served);
    assert_eq!(origin.begun(), 4);
    // A place that was given back is taken again.
    places[0].finish_sending();
    assert!(places[0].is_closed_by_peer());
    eventually("a place", || recorder.metric("umbra_recorder_connections_open") < 2);
    served(recorder.client());
    recorder.drain();
}

#[test]
fn a_client_has_so_many_connections_and_another_has_its_own() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &origin.url(), &["--max-connections-per-client", "2"]);
    let from = |address: [u8; 4]| RawClient::connect_from(IpAddr::from(address), recorder.addr());
    let mut places = [served(from([127, 0, 0, 2])), served(from([127, 0, 0, 2]))];
    is_turned_away(from([127, 0, 0, 2]));
    counted(&recorder, &ended("client_full"), 1);
    served(from([127, 0, 0, 3]));
    places[0].finish_sending();
    assert!(places[0].is_closed_by_peer());
    eventually("a place", || recorder.metric("umbra_recorder_connections_open") < 2);
    served(from([127, 0, 0, 2]));
    recorder.drain();
}

#[test]
fn behind_a_load_balancer_its_client_is_who_counts() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let flags = ["--max-connections-per-client", "1", "--proxy-protocol", "v1"];
    let recorder = TestRecorder::start(&store, &origin.url(), &flags);
    let from = |last: u8| {
        let mut client = recorder.client();
        client.send(format!("PROXY TCP4 192.0.2.{last} 10.0.0.1 4000 80\r\n"));
        client
    };
    let _place = served(from(1));
    is_turned_away(from(1));
    served(from(2));
    counted(&recorder, &ended("client_full"), 1);
    recorder.drain();
}

#[test]
fn a_process_without_file_descriptors_waits_and_goes_on() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let addresses = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let flags = ["--store", store.url(), "--upstream", &origin.url(), "--max-connections", "1000", "--workers", "1"];
    let mut recorder = Running::of(recorder_with_files(64, &[&addresses[..], &flags].concat()));
    // Its threads have what they need before the descriptors are used up.
    assert_eq!(recorder.admin("/livez").status(), 200);
    drop(served(RawClient::connect(recorder.addr())));
    // More than it has descriptors for; the kernel accepts the rest in its stead.
    let clients: Vec<_> = (0..100).map(|_| RawClient::connect(recorder.addr())).collect();
    // Each failure is followed by a pause that grows: a loop that did not wait would have counted thousands by now.
    recorder.program().stderr_line("pause=160ms");
    drop(clients);
    let metrics = recorder.admin("/metrics").text();
    let counted = metrics.lines().find_map(|line| line.strip_prefix("umbra_recorder_accept_failures_total "));
    let failures: u32 = counted.unwrap_or_else(|| panic!("no count in:\n{metrics}")).parse().unwrap();
    assert!((5..100).contains(&failures), "{failures} failures");
    served(RawClient::connect(recorder.addr()));
    recorder.signal("TERM");
    recorder.finish().expect(0);
}

#[test]
fn the_limit_follows_from_the_files_that_may_be_open() {
    let store = TestStore::sqlite();
    let flags = ["--store", store.url(), "--upstream", "http://127.0.0.1:1", "--check"];
    let said = recorder_with_files(1064, &flags).finish().expect(0).stdout;
    assert!(said.contains("max-connections = 500\n"), "{said}");
}
