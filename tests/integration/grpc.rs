//! gRPC with a real stack on both sides: every kind of call through the recorder, and again from the store.

use std::collections::BTreeSet;
use std::time::Duration;

use tonic::Code;
use tonic::metadata::MetadataValue;
use umbra_common::exchange::{Ending, HttpVersion};
use umbra_tests::frames::{END_HEADERS, FrameClient, block, frame, kind};
use umbra_tests::grpc::{Call, CallEnd, Greeter, GrpcClient, Kind, TOO_LATE, UNANSWERED, hello};
use umbra_tests::recorder::TestRecorder;
use umbra_tests::replayer::replay;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::eventually;

use crate::both_stores::on_both_stores;

pub(crate) const SERVICE: &str = "greeter.example.com";

/// One call of each kind, two of them with an error for an answer.
pub(crate) fn call_all(client: &mut GrpcClient) {
    let mut request = tonic::Request::new(hello("Ann", 1));
    request.metadata_mut().insert("x-tenant", MetadataValue::from_static("blue"));
    request.metadata_mut().insert_bin("x-trace-bin", MetadataValue::from_bytes(b"\0\x01\xff"));
    request.set_timeout(Duration::from_secs(30));
    assert_eq!(client.say_hello(request).unwrap().into_inner().message, "Hello Ann!");
    assert_eq!(client.say_many_hellos("Bob", 5).unwrap(), ["Hello Bob!"; 5]);
    assert_eq!(client.greet_all(&["Cy", "Di", "Ed"]).unwrap(), "Hello Cy! Hello Di! Hello Ed!");
    assert_eq!(client.chat(&["Flo", "Gus"]).unwrap(), ["Hello Flo!", "Hello Gus!"]);
    let status = client.say_hello(tonic::Request::new(hello("nobody", 1))).unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "nobody is not here"));
    assert_eq!(client.say_many_hellos("nobody", 3).unwrap_err().code(), Code::NotFound);
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

/// The calls that the greeter has seen, one of each kind, have been cancelled there and recorded as what their client gave up.
fn all_four_are_cancelled(production: &Greeter, recorder: TestRecorder, store: &TestStore) -> Vec<Call> {
    let calls = production.wait_for(4);
    assert!(calls.iter().all(|call| call.end == Some(CallEnd::Cancelled) && call.names == [UNANSWERED]), "{calls:?}");
    assert_eq!(recorder.drain().state("recorded"), 4);
    let exchanges = store.exchanges();
    assert!(exchanges.iter().all(|e| e.ending == Ending::ClientAborted), "{exchanges:?}");
    let paths: BTreeSet<_> = calls.iter().map(|call| call.uri.path().to_owned()).collect();
    assert_eq!(paths.len(), 4, "{paths:?}");
    calls
}

#[test]
fn a_call_of_each_kind_that_its_client_gives_up_is_cancelled_at_the_origin() {
    let (production, store) = (Greeter::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &production.url(), &[]);
    let mut client = GrpcClient::connect(recorder.addr(), SERVICE);
    for (number, kind) in Kind::ALL.into_iter().enumerate() {
        client.give_up(kind, UNANSWERED, || production.calls().get(number).is_some_and(|call| !call.names.is_empty()));
    }
    all_four_are_cancelled(&production, recorder, &store);
}

/// As some stacks give a call up: without an end of its requests before.
#[test]
fn a_call_that_is_reset_with_its_requests_open_is_cancelled_at_the_origin() {
    const CANCEL: [u8; 4] = 8_u32.to_be_bytes();
    let (production, store) = (Greeter::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &production.url(), &[]);
    let mut client = FrameClient::connect(recorder.addr());
    // The name, which is field 1, behind the length of all, in a message that is not compressed.
    let name = [&[0x0a, UNANSWERED.len() as u8], UNANSWERED.as_bytes()].concat();
    let message = [&[0, 0, 0, 0, name.len() as u8], &name[..]].concat();
    for (number, call) in ["GreetAll", "Chat"].into_iter().enumerate() {
        let stream = 2 * number as u32 + 1;
        let path = format!("/helloworld.Greeter/{call}");
        let head = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", &path),
            (":authority", SERVICE),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ];
        client.send(frame(kind::HEADERS, END_HEADERS, stream, &block(&head)));
        client.send(frame(kind::DATA, 0, stream, &message));
        eventually("the message at the origin", || production.calls().get(number).is_some_and(|c| !c.names.is_empty()));
        client.send(frame(kind::RST_STREAM, 0, stream, &CANCEL));
        assert_eq!(production.wait_for(number + 1)[number].end, Some(CallEnd::Cancelled), "{call}");
    }
    drop(client);
    assert_eq!(recorder.drain().state("recorded"), 2);
    assert!(store.exchanges().iter().all(|e| e.ending == Ending::ClientAborted), "{:?}", store.exchanges());
}

#[test]
fn a_deadline_of_the_client_is_told_to_the_origin_and_ends_each_kind_of_call_there() {
    /// So much that the calls are at the origin before it, on a busy machine too.
    const TIME: Duration = Duration::from_secs(3);
    let (production, store) = (Greeter::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &production.url(), &[]);
    let mut client = GrpcClient::connect(recorder.addr(), SERVICE);
    for (kind, ended) in Kind::ALL.into_iter().zip(client.call_each_within(TIME, UNANSWERED)) {
        let code = ended.unwrap_err().code();
        assert!(matches!(code, Code::Cancelled | Code::DeadlineExceeded), "{kind:?}: {code:?}");
    }
    for call in all_four_are_cancelled(&production, recorder, &store) {
        assert_eq!(call.headers.get("grpc-timeout").unwrap(), "3000000u", "{call:?}");
    }
}

#[test]
fn a_deadline_that_the_service_keeps_is_told_to_the_client_of_each_kind_of_call() {
    let (production, store) = (Greeter::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &production.url(), &["--responses", "full"]);
    let mut client = GrpcClient::connect(recorder.addr(), SERVICE);
    let mut statuses: Vec<_> = Kind::ALL.map(|kind| client.call(kind, TOO_LATE).unwrap_err()).into();
    // In the middle of a conversation.
    statuses.push(client.chat(&["Flo", TOO_LATE]).unwrap_err());
    for status in statuses {
        assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, "by the service's clock"));
    }
    drop(client);
    assert_eq!(recorder.drain().state("recorded"), 5);
    for exchange in store.exchanges() {
        let response = exchange.response.as_ref().unwrap();
        let status = response.trailers.get("grpc-status").or(response.headers.get("grpc-status"));
        assert_eq!(status, Some(&b"4"[..]), "{exchange:?}");
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
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    drop(client);
    assert_eq!(recorder.drain().state("recorded"), 1);
    assert_eq!(store.exchanges()[0].ending, Ending::UpstreamError);
}
