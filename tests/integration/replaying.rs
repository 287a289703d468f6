//! What is in a store is sent to targets: the same requests, with the shadow host and the marker, at the pace asked for.

use std::sync::Arc;
use std::time::Duration;

use umbra_common::exchange::Exchange;
use umbra_common::time::Timestamp;
use umbra_replayer::ExitStatus;
use umbra_tests::exchanges::{get, post};
use umbra_tests::origin::{Answer, Origin, Received};
use umbra_tests::ports::Refusing;
use umbra_tests::recorder::TestRecorder;
use umbra_tests::replayer::{replay, run};
use umbra_tests::stores::TestStore;
use umbra_tests::wait::Gate;

use crate::both_stores::on_both_stores;
use crate::programs::{assert_refused, replayer};

/// `count` requests `/0`, `/1`, …, so many milliseconds apart, the last one a minute ago.
fn sequence(count: u64, apart: Duration) -> Vec<Exchange> {
    let first = Timestamp::now().before(Duration::from_secs(60) + apart * u32::try_from(count).unwrap());
    (0..count).map(|i| get(first.after(apart * u32::try_from(i).unwrap()), &format!("/{i}"))).collect()
}

fn targets(received: &[Received]) -> Vec<String> {
    received.iter().map(|r| r.head.target().escape_ascii().to_string()).collect()
}

fn target(name: &str, origin: &Origin) -> String {
    format!("{name}={}", origin.url())
}

/// A request's fields, without those by which a connection frames and names what it carries.
fn carried(received: &Received) -> Vec<(String, Vec<u8>)> {
    let own = [
        "host",
        "umbra-shadow",
        "umbra-recorded-by",
        "transfer-encoding",
        "connection",
        "via",
        "x-forwarded-for",
        "x-forwarded-proto",
    ];
    let fields = received.head.fields().into_iter().map(|(n, v)| (text(&n).to_lowercase(), v));
    fields.filter(|(n, _)| !own.contains(&n.as_str())).collect()
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

on_both_stores! {
    fn what_was_recorded_arrives_at_a_target(store: &TestStore) {
        let production = Origin::start();
        let recorder = TestRecorder::start(store, &production.url(), &[]);
        let mut client = recorder.client();
        let requests: [&[u8]; 5] = [
            b"POST /odd/%7E?q=%C3%A9&&= HTTP/1.1\r\nhost: api.example.com:8080\r\nx-odd: \x80\xff\r\nx-dup: 1\r\nx-dup: 2\r\n\
              content-length: 4\r\n\r\n\0\xff\r\n",
            b"PUT /chunks HTTP/1.1\r\nhost: api.example.com\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            b"HEAD /head HTTP/1.1\r\nhost: api.example.com\r\n\r\n",
            b"DELETE /d HTTP/1.1\r\nhost: api.example.com\r\nx-empty:\r\n\r\n",
            b"POST /nothing HTTP/1.1\r\nhost: api.example.com\r\ncontent-length: 0\r\n\r\n",
        ];
        requests.iter().for_each(|r| assert_eq!(client.exchange(r).status(), 200));
        drop(client);
        recorder.drain();

        let staging = Origin::start();
        // One connection keeps the order of arrival at the target.
        let report = replay(store, &["--target", &target("staging", &staging), "--rate", "max", "--connections", "1"]);
        assert_eq!(report.targets[0].ledger.state("answered"), 5, "{report:?}");
        let (live, shadow) = (production.wait_for(5), staging.wait_for(5));
        assert_eq!(shadow.len(), 5);
        for (live, shadow) in live.iter().zip(&shadow) {
            assert_eq!(text(live.head.method()), text(shadow.head.method()));
            assert_eq!(text(live.head.target()), text(shadow.head.target()));
            let (mut live_fields, mut shadow_fields) = (carried(live), carried(shadow));
            if live.head.get("transfer-encoding") == "chunked" {
                // The length is known by now; how a body is framed is for each connection to say.
                for fields in [&mut live_fields, &mut shadow_fields] {
                    fields.retain(|(name, _)| name != "content-length");
                }
            }
            assert_eq!(live_fields, shadow_fields);
            assert_eq!(live.body.bytes, shadow.body.bytes);
            assert_eq!(shadow.head.all("umbra-shadow").len(), 1, "{:?}", shadow.head);
        }
        assert_eq!(shadow[0].head.all("host"), [b"api.example.com-shadow:8080"]);
        assert_eq!(shadow[1].head.all("host"), [b"api.example.com-shadow"]);
    }

    fn every_target_gets_everything_whatever_happens_to_another(store: &TestStore) {
        store.write(&sequence(40, Duration::from_millis(1)));
        let (first, second, dead) = (Origin::start(), Origin::start(), Refusing::new());
        let report = replay(store, &[
            "--target", &target("first", &first), "--target", &format!("dead=http://{}", dead.addr()),
            "--target", &target("second", &second), "--rate", "max",
        ]);
        for origin in [&first, &second] {
            let mut got = targets(&origin.wait_for(40));
            got.sort_by_key(|t| t[1..].parse::<u32>().unwrap());
            assert_eq!(got, (0..40).map(|i| format!("/{i}")).collect::<Vec<_>>());
        }
        let answered: Vec<_> = report.targets.iter().map(|t| (t.name.as_str(), t.ledger.state("answered"))).collect();
        assert_eq!(answered, [("first", 40), ("dead", 0), ("second", 40)]);
        assert_eq!(report.targets[1].ledger.reason("failed", "connect"), 40, "{}", report.targets[1].ledger);
    }

    fn requests_leave_in_order_of_arrival_over_all_partitions(store: &TestStore) {
        let all = sequence(60, Duration::from_millis(20));
        // Written in another order than they arrived, as several recorders would.
        let (late, early): (Vec<_>, Vec<_>) = all.into_iter().enumerate().partition(|(i, _)| i % 3 == 0);
        for part in [late, early] {
            store.write(&part.into_iter().map(|(_, e)| e).collect::<Vec<_>>());
        }
        let staging = Origin::start();
        let report = replay(store, &["--target", &target("b", &staging), "--speed", "4x", "--connections", "1"]);
        assert_eq!(targets(&staging.wait_for(60)), (0..60).map(|i| format!("/{i}")).collect::<Vec<_>>());
        // 59 gaps of 20 ms, four times as fast.
        assert!(report.seconds >= 0.29, "faster than asked: {} s", report.seconds);
    }

    fn a_plan_says_what_would_be_sent_and_sends_nothing(store: &TestStore) {
        store.write(&sequence(25, Duration::from_millis(10)));
        let staging = Origin::start();
        let target = target("b", &staging);
        let flags = ["plan", "--store", store.url(), "--target", &target, "--from", "-1h", "--to", "now"];
        let (status, said) = run(&flags);
        assert_eq!(status, ExitStatus::Done);
        let has = |line: &str| assert!(said.lines().any(|l| l.starts_with(line)), "'{line}' is missing in:\n{said}");
        has("25 exchanges");
        has("it would take 240ms");
        assert_eq!(staging.begun(), 0);
    }

    fn a_window_holds_what_arrived_in_it_and_nothing_else(store: &TestStore) {
        let all = sequence(30, Duration::from_secs(1));
        store.write(&all);
        let staging = Origin::start();
        let (from, to) = (all[10].arrival.to_string(), all[20].arrival.to_string());
        let (status, _) = run(&[
            "replay", "--store", store.url(), "--target", &target("b", &staging), "--from", &from, "--to", &to,
            "--rate", "max", "--connections", "1",
        ]);
        assert_eq!(status, ExitStatus::Done);
        assert_eq!(targets(&staging.wait_for(10)), (10..20).map(|i| format!("/{i}")).collect::<Vec<_>>());
    }

    fn shards_send_each_exchange_once_together(store: &TestStore) {
        store.write(&sequence(50, Duration::from_millis(1)));
        let staging = Origin::start();
        let mut sent = 0;
        for shard in ["1/3", "2/3", "3/3"] {
            let report = replay(store, &["--target", &target("b", &staging), "--rate", "max", "--shard", shard]);
            sent += report.targets[0].ledger.state("answered");
        }
        assert_eq!(sent, 50);
        let mut got = targets(&staging.wait_for(50));
        got.sort_by_key(|t| t[1..].parse::<u32>().unwrap());
        assert_eq!(got, (0..50).map(|i| format!("/{i}")).collect::<Vec<_>>());
    }
}

#[test]
fn a_constant_rate_is_kept() {
    let store = TestStore::sqlite();
    store.write(&sequence(60, Duration::ZERO));
    let staging = Origin::start();
    let report = replay(&store, &["--target", &target("b", &staging), "--rate", "100/s"]);
    assert_eq!(staging.wait_for(60).len(), 60);
    // 60 requests take 59 gaps of 10 ms.
    assert!(report.seconds >= 0.58, "faster than asked: {} s", report.seconds);
}

#[test]
fn a_ramp_begins_slowly_and_ends_fast() {
    let store = TestStore::sqlite();
    store.write(&sequence(60, Duration::ZERO));
    let staging = Origin::start();
    let report = replay(&store, &["--target", &target("b", &staging), "--ramp", "10/s..100/s:1s"]);
    assert_eq!(staging.wait_for(60).len(), 60);
    // The first second of the ramp has room for 55, on average half of its end; the last 5 come at 100/s.
    assert!(report.seconds >= 1.0, "faster than asked: {} s", report.seconds);
}

#[test]
fn an_answer_that_is_late_moves_no_other_request() {
    let store = TestStore::sqlite();
    store.write(&sequence(20, Duration::from_millis(10)));
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let staging = Origin::with(move |head| match head.target() {
        b"/0" => Answer::unread().wait(&held).then(Answer::ok("late")),
        _ => Answer::ok("ok"),
    });
    let target = target("b", &staging);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| replay(&store, &["--target", &target, "--speed", "1x", "--timeout", "1m"]));
        // Every other request is answered while the first is not.
        staging.wait_for(19);
        assert_eq!(staging.begun(), 20);
        gate.open();
        let report = run.join().unwrap();
        assert_eq!(report.targets[0].ledger.state("answered"), 20, "{}", report.targets[0].ledger);
    });
}

#[test]
fn the_service_that_was_recorded_is_no_target() {
    let (production, store) = (Origin::start(), TestStore::sqlite());
    let recorder = TestRecorder::start(&store, &production.url(), &[]);
    recorder.client().exchange("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    recorder.drain();
    let own = format!("oops={}", production.url());
    let flags = ["replay", "--store", store.url(), "--target", &own, "--from", "-1h", "--to", "+1h"];
    assert_refused(replayer(&flags), 2, &["oops", "--allow-production-target", &production.addr().to_string()]);
    assert_eq!(production.requests().len(), 1, "production got shadow traffic");
    replayer(&[&flags[..], &["--allow-production-target"]].concat()).finish().expect(0);
    assert_eq!(production.wait_for(2).len(), 2);
}

#[test]
fn a_target_sees_the_host_that_the_policy_says() {
    let store = TestStore::sqlite();
    store.write(&[get(Timestamp::now().before(Duration::from_secs(1)), "/")]);
    let staging = Origin::start();
    let own = staging.addr().to_string();
    for (policy, host) in [
        ("envoy", "api.example.com-shadow"),
        ("preserve", "api.example.com"),
        ("target", own.as_str()),
        ("literal:staging.test:81", "staging.test:81"),
    ] {
        let before = staging.requests().len();
        replay(&store, &["--target", &target("b", &staging), "--host", policy, "--rate", "max"]);
        let received = &staging.wait_for(before + 1)[before];
        assert_eq!(received.head.all("host"), [host.as_bytes()], "{policy}");
    }
}

#[test]
fn requests_are_edited_as_asked_and_keep_their_marker() {
    let store = TestStore::sqlite();
    let mut exchange = post(Timestamp::now().before(Duration::from_secs(1)), "/v1/orders?x=1", b"{}");
    exchange.request.headers.push("x-env", "production");
    exchange.request.headers.push("x-gone", "1");
    store.write(&[exchange]);
    let staging = Origin::start();
    replay(
        &store,
        &[
            "--target",
            &target("b", &staging),
            "--rate",
            "max",
            "--set-header",
            "x-env:staging",
            "--remove-header",
            "x-gone",
            "--rewrite-path",
            "/v1=/v2",
        ],
    );
    let head = staging.only().head;
    assert_eq!(text(head.target()), "/v2/orders?x=1");
    assert_eq!((head.all("x-env"), head.all("x-gone").len()), (vec![b"staging".to_vec()], 0));
    assert_eq!(head.all("umbra-shadow").len(), 1);
}

#[test]
fn half_a_request_is_never_sent() {
    let store = TestStore::sqlite();
    let mut cut = post(Timestamp::now().before(Duration::from_secs(1)), "/cut", b"beginning");
    cut.request.body.length = 1 << 20;
    cut.request.body.truncated = true;
    store.write(&[cut, get(Timestamp::now().before(Duration::from_secs(1)), "/whole")]);
    let staging = Origin::start();
    let report = replay(&store, &["--target", &target("b", &staging), "--rate", "max"]);
    assert_eq!(report.targets[0].ledger.reason("skipped", "truncated"), 1, "{}", report.targets[0].ledger);
    assert_eq!(targets(&staging.wait_for(1)), ["/whole"]);
}

#[test]
fn a_sample_is_the_same_each_time_and_lies_inside_a_larger_one() {
    let store = TestStore::sqlite();
    store.write(&sequence(300, Duration::from_millis(1)));
    let sent = |sample: &str| {
        let staging = Origin::start();
        let report = replay(&store, &["--target", &target("b", &staging), "--rate", "max", "--sample", sample]);
        let count = usize::try_from(report.targets[0].ledger.state("answered")).unwrap();
        targets(&staging.wait_for(count)).into_iter().collect::<std::collections::BTreeSet<_>>()
    };
    let (tenth, again, half) = (sent("10%"), sent("10%"), sent("50%"));
    assert_eq!(tenth, again);
    assert!(tenth.is_subset(&half) && tenth.len() < half.len() && half.len() < 300, "{} {}", tenth.len(), half.len());
}
