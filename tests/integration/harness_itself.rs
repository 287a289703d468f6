//! The harness against itself: a test can only be trusted as far as what it stands on.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use umbra_common::codec::encode;
use umbra_common::exchange::Exchange;
use umbra_common::store::StoreConfig;
use umbra_common::time::Timestamp;
use umbra_tests::chaos::{Chaos, Mode};
use umbra_tests::exchanges::{get, post};
use umbra_tests::grpc::{CallEnd, Greeter, GrpcClient, hello};
use umbra_tests::origin::{Answer, Origin};
use umbra_tests::ports::Refusing;
use umbra_tests::receiver::{Counted, Receiver};
use umbra_tests::stores::{TestStore, write_raw};
use umbra_tests::wait::{DEADLINE, Gate, eventually};
use umbra_tests::wire::{RawClient, exchange};

#[test]
fn an_origin_remembers_each_byte() {
    let origin = Origin::with(|head| match head.target() {
        b"/chunked" => Answer::chunked(&[b"one", b"two"], &[("x-end", "1")]),
        _ => Answer::ok("fine"),
    });
    let first = b"POST /a HTTP/1.1\r\nHost: x\r\nX-Odd: \xff\x80\r\nx-ODD:  b\r\nContent-Length: 3\r\n\r\nabc";
    let second =
        b"POST /chunked HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nx-t: 1\r\n\r\n";
    let mut client = RawClient::connect(origin.addr());
    assert_eq!(client.exchange(first).text(), "fine");
    let answer = client.exchange(second);
    assert_eq!((answer.text().as_str(), &answer.body.trailers[0].1[..]), ("onetwo", &b"1"[..]));
    assert_eq!(client.exchange("HEAD / HTTP/1.1\r\n\r\n").text(), "");
    let received = origin.wait_for(3);
    assert_eq!(received[0].raw(), first);
    assert_eq!(received[1].raw(), second);
    assert_eq!(received[1].body.bytes, b"abc");
    assert_eq!(received[0].head.all("x-odd"), [&b"\xff\x80"[..], b"b"]);
    assert!(received.iter().all(|r| r.connection == 0));
}

#[test]
fn an_answer_waits_for_its_gate() {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let origin = Origin::with(move |_| Answer::unread().wait(&held).then(Answer::ok("late")).close());
    let mut client = RawClient::connect(origin.addr());
    client.send("GET / HTTP/1.1\r\n\r\n");
    eventually("a head at the origin", || origin.begun() == 1);
    assert_eq!(origin.requests().len(), 0);
    gate.open();
    assert_eq!(client.response().text(), "late");
    assert!(client.is_closed_by_peer());
}

#[test]
fn all_four_kinds_of_call_reach_the_greeter() {
    let greeter = Greeter::start();
    let mut client = GrpcClient::connect(greeter.addr(), "greeter.example.com");
    assert_eq!(client.say_hello(tonic::Request::new(hello("Ann", 1))).unwrap().into_inner().message, "Hello Ann!");
    assert_eq!(client.say_many_hellos("Bob", 3).unwrap(), ["Hello Bob!"; 3]);
    assert_eq!(client.greet_all(&["Cy", "Di"]).unwrap(), "Hello Cy! Hello Di!");
    assert_eq!(client.chat(&["Ed", "Flo"]).unwrap(), ["Hello Ed!", "Hello Flo!"]);
    assert_eq!(client.say_many_hellos("nobody", 1).unwrap_err().code(), tonic::Code::NotFound);
    client.cancel_after("Gus", 2).unwrap();
    let calls = greeter.wait_for(6);
    assert_eq!(calls[3].names, ["Ed", "Flo"]);
    assert_eq!(calls[0].uri.to_string(), "http://greeter.example.com/helloworld.Greeter/SayHello");
    assert_eq!((calls[4].end, calls[5].end), (Some(CallEnd::Cancelled), Some(CallEnd::Cancelled)));
}

#[test]
fn chaos_does_as_it_is_told() {
    let origin = Origin::start();
    let chaos = Chaos::before(origin.addr());
    assert_eq!(exchange(chaos.addr(), "GET /1 HTTP/1.1\r\n\r\n").status(), 200);
    let mut client = RawClient::connect(chaos.addr());
    client.exchange("GET /2 HTTP/1.1\r\n\r\n");
    chaos.set(Mode::BlackHole);
    client.send("GET /swallowed HTTP/1.1\r\n\r\n");
    chaos.set(Mode::Cut);
    assert!(client.is_closed_by_peer());
    let mut refused = RawClient::connect(chaos.addr());
    assert!(refused.is_closed_by_peer());
    chaos.set(Mode::Throttle(2000));
    assert_eq!(exchange(chaos.addr(), "GET /3 HTTP/1.1\r\n\r\n").status(), 200);
    let targets: Vec<_> = origin.requests().iter().map(|r| r.head.target().to_vec()).collect();
    assert_eq!(targets, [b"/1", b"/2", b"/3"]);
}

#[test]
fn a_held_port_refuses() {
    let held = Refusing::new();
    let error = std::net::TcpStream::connect(held.addr()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_receiver_counts_each_request() {
    let receiver = Receiver::start();
    let mut client = RawClient::connect(receiver.addr());
    for _ in 0..2 {
        client.exchange("POST /a?b HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi");
    }
    receiver.wait_for(2);
    assert_eq!(receiver.multiset().into_iter().collect::<Vec<_>>(), [(Counted::new("POST", "/a?b", b"hi", "x"), 2)]);
}

#[test]
fn a_store_gives_back_what_was_written_and_nobody_walks_past_chaos() {
    let at = Timestamp::now();
    let written = [post(at, "/a", b"1"), get(at.after(Duration::from_millis(1)), "/b")];
    for store in [TestStore::sqlite(), TestStore::kafka()] {
        store.write(&written);
        assert_eq!(store.exchanges(), written);
    }
    let store = TestStore::kafka();
    let chaos = store.chaos();
    let through = StoreConfig::new(store.url_through(&chaos).parse().unwrap());
    let record = |e: &Exchange| (e.id, e.arrival, encode(e));
    write_raw(&through, vec![record(&written[0])]);
    assert_eq!(store.exchanges(), written[..1]);
    let client: BaseConsumer = ClientConfig::new().set("bootstrap.servers", chaos.addr().to_string()).create().unwrap();
    let told = client.fetch_metadata(None, DEADLINE).unwrap();
    let ports: Vec<_> = told.brokers().iter().map(|b| b.port()).collect();
    assert_eq!(ports, [i32::from(chaos.addr().port())], "a client is told a way past the proxy");
}
