//! What operators tell a recorder by its admin listener, and who may.

use umbra_tests::origin::Origin;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::eventually;
use umbra_tests::wire::RawClient;

use crate::programs::{assert_refused, recorder};
use crate::running::Running;

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

fn post(path: &str, more: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: a\r\n{more}content-length: 0\r\n\r\n")
}

#[test]
fn recording_is_paused_and_resumed_without_a_restart() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = Running::start(&["--store", store.url(), "--upstream", &origin.url()]);
    let mut client = RawClient::connect(recorder.addr());
    for path in ["/recording/pause", "/recording/resume", "/recording/pause"] {
        assert_eq!(recorder.ask(&post(path, "")).status(), 200);
        assert_eq!(client.exchange(GET).status(), 200);
    }
    assert_eq!(recorder.status()["recording"]["on"], false);
    assert!(recorder.admin("/metrics").text().contains("\numbra_recorder_recording 0\n"));
    drop(client);
    recorder.signal("TERM");
    let said = recorder.finish().expect(0).stderr;
    assert!(said.contains("seen 3 = recorded 1 + skipped{paused} 2"), "{said}");
}

#[test]
fn a_drain_is_asked_for_by_the_admin_listener() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = Running::start(&["--store", store.url(), "--upstream", &origin.url()]);
    assert_eq!(RawClient::connect(recorder.addr()).exchange(GET).status(), 200);
    assert_eq!(recorder.ask(&post("/drain", "")).status(), 202);
    let said = recorder.finish().expect(0).stderr;
    assert!(said.contains("seen 1 = recorded 1"), "{said}");
}

#[test]
fn a_listener_that_others_reach_wants_a_token_but_not_of_probes() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let open = ["--store", store.url(), "--upstream", &origin.url(), "--listen", "127.0.0.1:0", "--admin", "0.0.0.0:0"];
    assert_refused(recorder(&open), 2, &["--admin 0.0.0.0:0", "--admin-token"]);

    let secret = [("UMBRA_TEST_TOKEN", "a-token-of-operators")];
    let flags = [&open[..], &["--admin-token", "env:UMBRA_TEST_TOKEN"]].concat();
    let mut recorder = Running::start_in(&secret, &flags);
    for path in ["/livez", "/readyz"] {
        assert_eq!(recorder.admin(path).status(), 200, "{path}");
    }
    for path in ["/metrics", "/status", "/rules"] {
        let answer = recorder.admin(path);
        assert_eq!((answer.status(), answer.head.get("www-authenticate")), (401, "Bearer".into()), "{path}");
        let with = |token: &str| {
            let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\r\n");
            recorder.ask(&request).status()
        };
        assert_eq!((with("a-token-of-operator"), with("a-token-of-operators")), (401, 200));
    }
    for path in ["/recording/pause", "/recording/resume", "/drain"] {
        assert_eq!(recorder.ask(&post(path, "")).status(), 401, "{path}");
    }
    assert_eq!(recorder.ask("PUT /rules HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").status(), 401);
    let page = post("/recording/pause", "origin: http://a\r\nauthorization: Bearer a-token-of-operators\r\n");
    assert_eq!(recorder.ask(&page).status(), 403, "a page in an operator's browser");
    assert!(!recorder.program().stderr().contains("a-token-of"), "a token is never logged");
}

#[test]
fn what_the_admin_listener_is_given_is_bounded() {
    let (origin, store) = (Origin::start(), TestStore::sqlite());
    let recorder = Running::start(&["--store", store.url(), "--upstream", &origin.url()]);
    let large = recorder.ask("PUT /rules HTTP/1.1\r\nhost: a\r\ncontent-length: 2000000\r\n\r\n");
    assert_eq!(large.status(), 413);
    let fields = "x: y\r\n".repeat(100);
    assert_eq!(recorder.ask(&format!("GET /livez HTTP/1.1\r\nhost: a\r\n{fields}\r\n")).status(), 431);
    // Idle connections up to the limit and beyond: who comes later waits for one of them to go.
    let idle: Vec<_> = (0..70).map(|_| RawClient::connect(recorder.admin_addr())).collect();
    drop(idle);
    eventually("it answers again", || recorder.admin("/livez").status() == 200);
}
