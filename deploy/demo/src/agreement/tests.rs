use bytes::Bytes;
use umbra_common::ledger::{Ledger, RecordOutcome, ReplayOutcome, SendFailure};

use super::*;
use crate::sighting::Status;

fn sighting(id: &str) -> Sighting {
    Sighting {
        id: id.into(),
        method: "POST".into(),
        target: "/post".into(),
        version: http::Version::HTTP_11,
        host: "a.example:80".into(),
        odd: Some(Bytes::from_static(b"\xe9")),
        authorization: Some(SECRET.into()),
        marker: None,
        body: Bytes::from_static(b"body"),
        status: Some(Status { http: 200, grpc: None }),
    }
}

/// Two requests on which everything agrees.
fn agreeing() -> Evidence {
    let sent = vec![sighting("1"), sighting("2")];
    let recorded: Vec<_> =
        sent.iter().map(|s| Sighting { authorization: Some(Bytes::from_static(b"***")), ..s.clone() }).collect();
    let v2 = recorded
        .iter()
        .map(|s| Sighting {
            host: "a.example-shadow:80".into(),
            marker: Some(Bytes::from_static(b"staging")),
            ..s.clone()
        })
        .collect();
    let (recorder, replayer) = (Ledger::new(), Ledger::new());
    for _ in &sent {
        recorder.open().end(RecordOutcome::Recorded);
        replayer.open().end(ReplayOutcome::Answered);
    }
    Evidence { v1: sent.clone(), sent, recorded, v2, recorder: recorder.snapshot(), replayer: replayer.snapshot() }
}

/// What is found when one thing is changed in what agrees.
fn found(change: impl FnOnce(&mut Evidence)) -> String {
    let mut evidence = agreeing();
    change(&mut evidence);
    evidence.differences().join("\n")
}

#[test]
fn nothing_is_found_where_all_agree() {
    assert_eq!(agreeing().differences(), Vec::<String>::new());
}

#[test]
fn a_count_that_is_off_by_one_is_found_in_each_place() {
    assert!(found(|e| drop(e.v1.pop())).contains("v1 received 1, the client sent 2"));
    assert!(found(|e| drop(e.recorded.pop())).contains("the store has 1, the client sent 2"));
    assert!(found(|e| drop(e.v2.pop())).contains("v2 received 1, the client sent 2"));
    assert!(found(|e| e.v2.push(sighting("1"))).contains("v2 received 1 2 times instead of once"));
    assert!(found(|e| e.recorder.seen += 1).contains("ledger has seen 3, the client sent 2"));
}

#[test]
fn one_request_in_place_of_another_is_found_although_the_counts_agree() {
    let twice = found(|e| e.v2[1] = e.v2[0].clone());
    assert!(twice.contains("v2 received 1 2 times") && twice.contains("v2 received 2 0 times"), "{twice}");
}

#[test]
fn a_ledger_that_lost_or_failed_something_is_found() {
    let lost = Ledger::new();
    lost.open().end(RecordOutcome::Recorded);
    drop(lost.open());
    assert!(found(|e| e.recorder = lost.snapshot()).contains("has recorded 1, the client sent 2"));

    let open = Ledger::new();
    let (first, _second) = (open.open(), open.open());
    first.end(ReplayOutcome::Failed(SendFailure::Timeout));
    let both = found(|e| e.replayer = open.snapshot());
    assert!(both.contains("has answered 0") && both.contains("does not add up"), "{both}");
}

#[test]
fn each_part_of_a_request_is_compared() {
    type Change = fn(&mut Sighting);
    let changes: [(&str, Change); 6] = [
        ("method", |s| s.method = "GET".into()),
        ("target", |s| s.target = "/post?".into()),
        ("version", |s| s.version = http::Version::HTTP_2),
        ("odd bytes", |s| s.odd = Some(Bytes::from_static("é".as_bytes()))),
        ("body", |s| s.body = Bytes::new()),
        ("status", |s| s.status = None),
    ];
    for (what, change) in changes {
        let with = format!("1 with {what} ");
        assert!(found(|e| change(&mut e.v1[0])).contains(&with), "{what} at v1");
        assert!(found(|e| change(&mut e.recorded[0])).contains(&with), "{what} in the store");
        assert!(found(|e| change(&mut e.v2[0])).contains(&with), "{what} at v2");
    }
}

#[test]
fn a_host_that_is_not_the_shadow_host_is_found() {
    assert!(found(|e| e.v2[0].host = "a.example:80".into()).contains("instead of \"a.example-shadow:80\""));
    assert!(found(|e| e.v2[0].host = "a.example:80-shadow".into()).contains("v2 received 1 with host"));
    assert!(found(|e| e.v1[0].host = "a.example-shadow:80".into()).contains("v1 received 1 with host"));
}

#[test]
fn a_missing_marker_and_one_in_production_are_found() {
    assert!(found(|e| e.v2[0].marker = None).contains("without the marker"));
    assert!(found(|e| e.v1[0].marker = Some(Bytes::from_static(b"x"))).contains("v1 received 1 with marker"));
}

#[test]
fn a_secret_that_got_away_and_a_field_that_is_gone_are_found() {
    assert!(found(|e| e.recorded[0].authorization = Some(SECRET.into())).contains("the store has the secret of 1"));
    assert!(found(|e| e.v2[0].authorization = Some(SECRET.into())).contains("v2 received the secret of 1"));
    assert!(found(|e| e.recorded[0].authorization = None).contains("field gone or added"));
}
