//! The profile that the replayer's README works through, used as it stands there.

use bytes::Bytes;
use umbra_common::exchange::{Body, Exchange};
use umbra_common::time::Timestamp;
use umbra_tests::exchanges::{get, post};
use umbra_tests::origin::{Answer, Origin, Received};
use umbra_tests::stores::TestStore;

use crate::programs::replayer_in;

/// The block of TOML below a heading of the README.
fn profile() -> String {
    let readme = include_str!("../../replayer/README.md");
    let (_, below) = readme.split_once("### A worked profile").unwrap();
    let (_, from) = below.split_once("```toml\n").unwrap();
    from.split_once("```").unwrap().0.to_owned()
}

/// A visit of one client as production saw it, and what is not to be sent.
fn visit() -> Vec<Exchange> {
    let at = |second: u64| Timestamp::now().before(std::time::Duration::from_secs(60 - second));
    let mut login = get(at(1), "/login");
    let answer = login.response.as_mut().unwrap();
    answer.headers.push("set-cookie", "sid=production; Path=/; HttpOnly");
    answer.body = Body::whole("<form><input name=\"csrf\" value=\"p-token\"></form>");
    let mut order = post(
        at(2),
        "/v1/users/42/orders?utm_source=mail&q=1",
        b"{\"customer\": {\"email\": \"real@example.com\"}, \"n\": 1.0}",
    );
    order.request.headers.push("content-type", "application/json");
    order.request.headers.push("cookie", "theme=dark; sid=production");
    order.request.headers.push("x-csrf-token", "p-token");
    order.request.headers.push("x-b3-traceid", "1");
    order.request.headers.push("authorization", "production's");
    order.response.as_mut().unwrap().body = Body::whole("{\"order\": {\"id\": \"p-7\"}}");
    let mut look = get(at(3), "/orders/p-7");
    look.request.headers.push("cookie", "sid=production");
    let mut forget = get(at(4), "/orders/p-7");
    forget.request.method = "DELETE".into();
    let mut all = vec![login, order, look, forget, get(at(5), "/internal/health")];
    all.iter_mut().for_each(|exchange| {
        exchange.session = Bytes::from_static(b"ann");
        exchange.request.authority = "api.example.com".into();
    });
    all
}

fn staging() -> Origin {
    Origin::with(|head| match head.target() {
        b"/login?debug=1" => Answer::status(
            200,
            &[("set-cookie", "sid=staging; Path=/")],
            "<form><input name=\"csrf\" value=\"s-token\"></form>",
        ),
        target if target.starts_with(b"/v2/accounts/") => Answer::ok("{\"order\": {\"id\": \"s-9\"}}"),
        _ => Answer::ok(""),
    })
}

#[test]
fn the_worked_profile_does_what_its_comments_say() {
    let (store, staging) = (TestStore::sqlite(), staging());
    store.write(&visit());
    let directory = store.directory();
    std::fs::write(directory.join("staging.toml"), profile()).unwrap();
    let path = |name: &str| directory.join(name).display().to_string();
    let (profile, report, target) = (path("staging.toml"), path("report.json"), format!("staging={}", staging.url()));
    let flags = ["--store", store.url(), "--from", "-1h", "--target", &target, "--profile", &profile];
    let secret = [("STAGING_TOKEN", "Bearer s-secret")];
    let plan = replayer_in(&secret, &[&["plan", "--diff"], &flags[..]].concat()).finish().expect(0).stdout;
    assert!(plan.contains("+ /v2/accounts/42/orders?q=1&debug=1") && !plan.contains("s-secret"), "{plan}");
    assert_eq!(staging.begun(), 0);

    let sent = replayer_in(&secret, &[&["replay", "--rate", "max", "--report", &report], &flags[..]].concat());
    let said = sent.finish().expect(0);
    assert!(!format!("{}{}", said.stdout, said.stderr).contains("s-secret"), "{said:?}");
    let received: Vec<Received> = staging.requests();
    let targets: Vec<_> = received.iter().map(|r| String::from_utf8_lossy(r.head.target()).into_owned()).collect();
    let expected = ["/login?debug=1", "/v2/accounts/42/orders?q=1&debug=1", "/orders/s-9?debug=1"];
    assert_eq!(targets, expected, "without what the conditions leave out");
    let order = &received[1];
    for (name, value) in [
        ("host", "api.example.net-shadow"),
        ("x-env", "staging"),
        ("authorization", "Bearer s-secret"),
        ("cookie", "theme=dark; sid=staging"),
        ("x-csrf-token", "s-token"),
        ("x-b3-traceid", ""),
    ] {
        assert_eq!(order.head.get(name), value, "{name}");
    }
    assert_eq!(&order.body.bytes[..], b"{\"customer\": {\"email\": \"ann@example.net\"}, \"n\": 1.0}");
    assert_eq!(received[2].head.get("cookie"), "sid=staging");

    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let target = &report["targets"][0];
    for rule in target["changes"].as_array().unwrap() {
        assert_ne!(rule["changed"], 0, "every rule of the profile has something to do here: {rule}");
    }
    let carried: Vec<_> = target["carried"].as_array().unwrap().iter().map(|rule| rule["replaced"].as_u64()).collect();
    assert_eq!(carried, [Some(2), Some(1), Some(1)]);
    assert_eq!(target["ledger"]["skipped"]["filtered"], 2);
}
