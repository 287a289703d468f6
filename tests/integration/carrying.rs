//! Values that staging issues anew: a shop with sessions, CSRF tokens and order numbers of its own, recorded once, replayed
//! against another instance of it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use umbra_replayer::Report;
use umbra_tests::origin::{Answer, Origin};
use umbra_tests::recorder::TestRecorder;
use umbra_tests::replayer::replay;
use umbra_tests::stores::TestStore;
use umbra_tests::wire::Head;

/// What one instance of the shop has issued.
#[derive(Debug, Default)]
struct Issued {
    last: u32,
    sessions: HashSet<String>,
    tokens: HashSet<String>,
    orders: HashSet<String>,
}

/// A shop whose values all begin with `seed`. Whoever brings another instance's values is turned away.
fn shop(seed: u32) -> Origin {
    let issued = Arc::new(Mutex::new(Issued { last: seed, ..Issued::default() }));
    Origin::with(move |head| serve(&mut issued.lock().unwrap(), head))
}

fn serve(shop: &mut Issued, head: &Head) -> Answer {
    let target = String::from_utf8(head.target().to_vec()).unwrap();
    let knows_session = cookie(head, "sid").is_some_and(|sid| shop.sessions.contains(&sid));
    let knows_token = shop.tokens.contains(&head.get("x-csrf-token"));
    let mut next = || {
        shop.last += 1;
        shop.last.to_string()
    };
    match target.as_str() {
        "/login" => {
            let (sid, token) = (format!("s{}", next()), format!("t{}", next()));
            let set = format!("sid={sid}; Path=/; HttpOnly");
            let body = format!("<form><input name=\"csrf\" value=\"{token}\"></form>");
            shop.sessions.insert(sid);
            shop.tokens.insert(token);
            Answer::status(200, &[("set-cookie", &set)], body)
        }
        _ if !knows_session => Answer::status(401, &[], ""),
        "/orders" if !knows_token => Answer::status(403, &[], ""),
        "/orders" => {
            let order = next();
            let body = format!("{{\"order\": {{\"id\": {order}}}}}");
            shop.orders.insert(order);
            Answer::status(201, &[], body)
        }
        order => match shop.orders.contains(order.strip_prefix("/orders/").unwrap_or_default()) {
            true => Answer::ok("here it is"),
            false => Answer::status(404, &[], ""),
        },
    }
}

fn cookie(head: &Head, name: &str) -> Option<String> {
    let cookies = head.get("cookie");
    cookies.split("; ").find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
}

/// One visit: logs in, orders something, looks at the order. Everything is as production issued it.
fn visit(recorder: &TestRecorder) {
    let mut client = recorder.client();
    let page = client.exchange("POST /login HTTP/1.1\r\nhost: shop.example.com\r\ncontent-length: 0\r\n\r\n");
    let sid = page.head.get("set-cookie").split(';').next().unwrap().to_owned();
    let token = page.text().split('"').nth(3).unwrap().to_owned();
    let order = client.exchange(format!(
        "POST /orders HTTP/1.1\r\nhost: shop.example.com\r\ncookie: theme=dark; {sid}\r\nx-csrf-token: {token}\r\n\
         content-length: 0\r\n\r\n"
    ));
    assert_eq!(order.status(), 201);
    let id = order.text().trim_end_matches("}}").rsplit(' ').next().unwrap().to_owned();
    let look = format!("GET /orders/{id} HTTP/1.1\r\nhost: shop.example.com\r\ncookie: {sid}\r\n\r\n");
    assert_eq!(client.exchange(look).status(), 200);
}

/// Some visits by way of a recorder with these flags, for sampling by client.
fn recorded(flags: &[&str]) -> TestStore {
    let store = TestStore::sqlite();
    let production = shop(1000);
    let own = ["--sample-by", "client", "--responses", "full"];
    let recorder = TestRecorder::start(&store, &production.url(), &[&own, flags].concat());
    for _ in 0..3 {
        visit(&recorder);
    }
    assert_eq!(recorder.drain().state("recorded"), 9);
    store
}

const UNMASKED: [&str; 4] = ["--keep-header", "cookie", "--keep-header", "set-cookie"];

/// The statuses that a new instance of the shop gives to what was recorded.
fn replayed(store: &TestStore, profile: Option<&str>) -> Report {
    let staging = shop(700_000);
    let target = format!("staging={}", staging.url());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), profile.unwrap_or_default()).unwrap();
    let path = file.path().display().to_string();
    let with = ["--profile", path.as_str()];
    let with = if profile.is_some() { &with[..] } else { &[] };
    replay(store, &[&["--target", &target, "--rate", "max"], with].concat())
}

fn statuses(report: &Report) -> Vec<(u16, u64)> {
    report.targets[0].statuses.iter().map(|(status, count)| (*status, *count)).collect()
}

const PLACES: &str = r#"
    [[carry]]
    from = "cookie:sid"
    to = ["cookie:sid"]
    [[carry]]
    name = "csrf"
    from = 'regex:name="csrf" value="([^"]+)"'
    to = ["header:x-csrf-token"]
    where = 'path == "/login"'
    [[carry]]
    name = "order"
    from = "json:/order/id"
"#;

#[test]
fn a_login_fails_on_staging_without_carry_rules_and_passes_with_them() {
    let store = recorded(&UNMASKED);
    let without = replayed(&store, None);
    assert_eq!(statuses(&without), [(200, 3), (401, 6)]);
    assert!(without.targets[0].status_changed.unwrap() > 0.6);
    let with = replayed(&store, Some(PLACES));
    assert_eq!(statuses(&with), [(200, 6), (201, 3)]);
    assert_eq!(with.targets[0].status_changed, Some(0.0));
    let counts: Vec<_> =
        with.targets[0].carried.iter().map(|c| (&c.rule[..], c.taken, c.replaced, c.unknown)).collect();
    assert_eq!(counts, [("cookie:sid", 3, 6, 0), ("csrf", 3, 3, 0), ("order", 3, 3, 0)]);
}

#[test]
fn issued_values_are_found_wherever_they_stand() {
    let anywhere = PLACES.lines().filter(|line| !line.contains("to = ")).collect::<Vec<_>>().join("\n");
    let report = replayed(&recorded(&UNMASKED), Some(&anywhere));
    assert_eq!(statuses(&report), [(200, 6), (201, 3)]);
}

#[test]
fn a_session_that_the_recorder_masked_is_carried_by_its_place() {
    let store = recorded(&[]);
    assert_eq!(statuses(&replayed(&store, None)), [(200, 3), (401, 6)]);
    assert_eq!(statuses(&replayed(&store, Some(PLACES))), [(200, 6), (201, 3)]);
    let anywhere = PLACES.lines().filter(|line| !line.contains("to = [\"cookie")).collect::<Vec<_>>().join("\n");
    let report = replayed(&store, Some(&anywhere));
    assert_eq!(report.targets[0].carried[0].unknown, 3, "{:?}", report.targets[0].carried);
    assert_eq!(statuses(&report), [(200, 3), (401, 6)]);
}

#[test]
fn a_rule_that_matches_nothing_is_reported_with_zero() {
    let report = replayed(&recorded(&UNMASKED), Some("[[carry]]\nfrom = 'header:x-no'"));
    assert_eq!((report.targets[0].carried[0].taken, report.targets[0].carried[0].replaced), (0, 0));
}
