//! gRPC with a real stack on both sides: every kind of call through the recorder, and again from the store.

use tonic::metadata::MetadataValue;
use umbra_common::exchange::{Ending, HttpVersion};
use umbra_tests::grpc::{Call, CallEnd, Greeter, GrpcClient, hello};
use umbra_tests::recorder::TestRecorder;
use umbra_tests::replayer::replay;
use umbra_tests::stores::TestStore;

use crate::both_stores::on_both_stores;

pub(crate) const SERVICE: &str = "greeter.example.com";

/// One call of each kind, two of them with an error for an answer.
pub(crate) fn call_all(client: &mut GrpcClient) {
    let mut request = tonic::Request::new(hello("Ann", 1));
    request.metadata_mut().insert("x-tenant", MetadataValue::from_static("blue"));
    request.metadata_mut().insert_bin("x-trace-bin", MetadataValue::from_bytes(b"\0\x01\xff"));
    request.set_timeout(std::time::Duration::from_secs(30));
    assert_eq!(client.say_hello(request).unwrap().into_inner().message, "Hello Ann!");
    assert_eq!(client.say_many_hellos("Bob", 5).unwrap(), ["Hello Bob!"; 5]);
    assert_eq!(client.greet_all(&["Cy", "Di", "Ed"]).unwrap(), "Hello Cy! Hello Di! Hello Ed!");
    assert_eq!(client.chat(&["Flo", "Gus"]).unwrap(), ["Hello Flo!", "Hello Gus!"]);
    let status = client.say_hello(tonic::Request::new(hello("nobody", 1))).unwrap_err();
    assert_eq!((status.code(), status.message()), (tonic::Code::NotFound, "nobody is not here"));
    assert_eq!(client.say_many_hellos("nobody", 3).unwrap_err().code(), tonic::Code::NotFound);
}

/// What must be the same in production and in staging.
fn essence(call: &Call) -> String {
    let header = |name: &str| call.headers.get_all(name).iter().collect::<Vec<_>>();
    let names = ["x-tenant", "x-trace-bin", "grpc-timeout", "te", "content-type", "user-agent"];
    let headers: Vec<_> = names.iter().map(|n| (n, header(n))).collect();
    format!("{} {:?} {:?} {headers:?}", call.uri.path(), call.version, call.names)
}

on_both_stores! {
    fn every_kind_of_call_is_recorded_and_replayed(store: &TestStore) {
        let production = Greeter::start();
        let recorder = TestRecorder::start(store, &production.url(), &["--responses", "full"]);
        let mut client = GrpcClient::connect(recorder.addr(), SERVICE);
        call_all(&mut client);
        drop(client);
        let ledger = recorder.drain();
        assert_eq!(ledger.state("recorded"), 6, "{ledger}");
        let live = production.wait_for(6);
        assert!(live.iter().all(|c| c.uri.authority().is_some_and(|a| a.as_str() == SERVICE)), "{live:?}");

        let exchanges = store.exchanges();
        assert!(exchanges.iter().all(|e| e.request.version == HttpVersion::Http2 && e.request.is_grpc()));
        assert!(exchanges.iter().all(|e| e.ending == Ending::Complete), "{exchanges:?}");
        let statuses: Vec<_> = exchanges
            .iter()
            .map(|e| e.response.as_ref().unwrap())
            .map(|r| r.trailers.get("grpc-status").or(r.headers.get("grpc-status")).unwrap().to_vec())
            .collect();
        assert_eq!(statuses, [b"0", b"0", b"0", b"0", b"5", b"5"]);

        let staging = Greeter::start();
        let target = format!("staging={}", staging.url());
        let report = replay(store, &["--target", &target, "--rate", "50/s"]);
        let shadow = staging.wait_for(6);
        let sorted = |calls: &[Call]| {
            let mut all: Vec<_> = calls.iter().map(essence).collect();
            all.sort();
            all
        };
        assert_eq!(sorted(&live), sorted(&shadow));
        for call in &shadow {
            assert_eq!(call.uri.authority().unwrap().as_str(), "greeter.example.com-shadow");
            assert!(call.headers.contains_key("umbra-shadow"), "{call:?}");
        }
        assert_eq!(report.targets[0].ledger.state("answered"), 6, "{}", report.targets[0].ledger);
        assert_eq!(report.targets[0].grpc_statuses.values().sum::<u64>(), 6, "{report:?}");
    }

    fn a_call_that_its_client_gives_up_is_cancelled_at_the_origin_and_recorded_so(store: &TestStore) {
        let production = Greeter::start();
        let recorder = TestRecorder::start(store, &production.url(), &[]);
        let mut client = GrpcClient::connect(recorder.addr(), SERVICE);
        client.cancel_after("Ann", 3).unwrap();
        let calls = production.wait_for(1);
        assert_eq!(calls[0].end, Some(CallEnd::Cancelled));
        drop(client);
        assert_eq!(recorder.drain().state("recorded"), 1);
        assert_eq!(store.exchanges()[0].ending, Ending::ClientAborted);
    }
}

#[test]
fn a_stream_does_not_wait_for_its_end() {
    // `chat` sends a name only when the one before has been answered: it hangs if either side is held back.
    let (production, store) = (Greeter::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &production.url(), &[]);
    let names: Vec<String> = (0..200).map(|i| format!("n{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut client = GrpcClient::connect(recorder.addr(), SERVICE);
    assert_eq!(client.chat(&names).unwrap().len(), 200);
    drop(client);
    recorder.drain();
    assert_eq!(production.wait_for(1)[0].names, names);
}

#[test]
fn an_upstream_that_refuses_is_a_grpc_error_and_is_recorded() {
    let (nobody, store) = (umbra_tests::ports::Refusing::new(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &format!("http://{}", nobody.addr()), &[]);
    let mut client = GrpcClient::connect(recorder.addr(), SERVICE);
    let status = client.say_hello(tonic::Request::new(hello("Ann", 1))).unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
    drop(client);
    assert_eq!(recorder.drain().state("recorded"), 1);
    assert_eq!(store.exchanges()[0].ending, Ending::UpstreamError);
}
