//! The listener over its socket.

use std::io::{Read, Write};
use std::time::Instant;

use super::*;
use crate::report::Live;
use crate::schedule::{Control, Pace, Strain};
use crate::stop::{Stop, Urgency};
use crate::target::Breaker;
use umbra_common::ledger::{Ledger, ReplayOutcome};

fn commands(mode: Mode) -> Commands {
    Commands { control: Arc::new(Control::default()), stop: Stop::new(), mode }
}

fn start(token: Option<&str>, commands: &Commands) -> Admin {
    let config = AdminConfig { address: SocketAddr::from(([127, 0, 0, 1], 0)), token: token.map(AdminToken::new) };
    Admin::start(Some(&config), commands.clone()).unwrap()
}

fn ask(admin: &Admin, head: &str, body: &str) -> String {
    let mut stream = std::net::TcpStream::connect(admin.address.unwrap()).unwrap();
    let length = body.len();
    write!(stream, "{head}\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn get(admin: &Admin, path: &str) -> String {
    ask(admin, &format!("GET {path} HTTP/1.1"), "")
}

fn post(admin: &Admin, path: &str, body: &str) -> String {
    ask(admin, &format!("POST {path} HTTP/1.1"), body)
}

fn watched(admin: &Admin) {
    let (ledger, live) = (Ledger::new(), Arc::new(Live::default()));
    ledger.open().end(ReplayOutcome::Answered);
    let due = Instant::now() + Duration::from_secs(3);
    live.sent(Some(due), Some(due + Duration::from_micros(200)), Some(Duration::from_millis(2)));
    live.set_behind_records(Some(7));
    live.unconnected("v2", "http://v2", &"refused");
    live.set_gone_of(&[(0, 2), (5, 3)].into());
    let breaker = Breaker::new("v2".into(), "1".parse().unwrap());
    breaker.ended(breaker.enter(Instant::now()).unwrap(), Some(&"refused"), Instant::now());
    let strain = Arc::new(Strain::default());
    let shown = Shown { target: "v2".into(), ledger, live, strain, breaker: Arc::new(breaker) };
    admin.lanes.lock().unwrap().push(shown);
}

#[test]
fn figures_are_read_from_the_ledger() {
    let admin = start(None, &commands(Mode::Follow));
    assert!(get(&admin, "/livez").starts_with("HTTP/1.1 200"));
    assert!(get(&admin, "/readyz").starts_with("HTTP/1.1 503"));
    watched(&admin);
    assert!(get(&admin, "/readyz").starts_with("HTTP/1.1 200"));
    let metrics = get(&admin, "/metrics");
    for line in [
        "umbra_replayer_exchanges_seen_total{target=\"v2\"} 1",
        "umbra_replayer_exchanges_ended_total{target=\"v2\",state=\"answered\",reason=\"\"} 1",
        "umbra_replayer_in_flight{target=\"v2\"} 0",
        "umbra_replayer_lag_seconds_bucket{le=\"0.0003\",target=\"v2\"} 1",
        "umbra_replayer_schedule_seconds_total{target=\"v2\"} 3.",
        "umbra_replayer_latency_seconds_count{target=\"v2\"} 1",
        "umbra_replayer_behind_records{target=\"v2\"} 7",
        "umbra_replayer_connect_retried_total{target=\"v2\"} 1",
        "umbra_replayer_paused 0",
        "umbra_replayer_pace_lowered_total{target=\"v2\"} 0",
        "umbra_replayer_pace_limit{target=\"v2\"} inf",
        "umbra_replayer_breaker_opened_total{target=\"v2\"} 1",
        "umbra_replayer_breaker_open{target=\"v2\"} 1",
        "umbra_replayer_gone_total{target=\"v2\"} 5",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    assert!(get(&admin, "/").starts_with("HTTP/1.1 404"));
    let status = get(&admin, "/status");
    let (_, body) = status.split_once("\r\n\r\n").unwrap();
    let status: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(status["targets"][0]["ledger"]["ended"]["answered"], 1, "{status}");
    let breaker = &status["targets"][0]["breaker"];
    assert!(breaker["opened"] == 1 && breaker["open_seconds"].is_f64(), "{breaker}");
    assert_eq!((&status["paused"], &status["targets"][0]["behind_records"]), (&false.into(), &7.into()));
}

#[test]
fn commands_reach_the_run() {
    let commands = commands(Mode::Replay);
    let admin = start(None, &commands);
    watched(&admin);
    assert!(post(&admin, "/pause", "").contains("paused:"));
    assert!(post(&admin, "/pause", "").contains("already"));
    assert!(commands.control.orders().paused.is_some());
    assert!(get(&admin, "/metrics").contains("umbra_replayer_paused 1"));
    assert!(post(&admin, "/resume", "").contains("resumed"));
    assert!(commands.control.orders().paused.is_none());
    assert!(post(&admin, "/rate", "200/s").starts_with("HTTP/1.1 200"));
    assert_eq!(commands.control.orders().pace, Some((1, Pace::Constant("200/s".parse().unwrap()))));
    let refused = post(&admin, "/rate", "warp");
    assert!(refused.starts_with("HTTP/1.1 400") && refused.contains("'warp' is no pace"), "{refused}");
    assert!(post(&admin, "/rate", &"9".repeat(2000)).starts_with("HTTP/1.1 413"));
    for _ in 0..2 {
        assert!(post(&admin, "/stop", "").starts_with("HTTP/1.1 202"));
    }
    assert_eq!(commands.stop.urgency(), Urgency::Drain, "asking twice gives nothing up");
}

#[test]
fn methods_and_pages_of_browsers_are_refused() {
    let commands = commands(Mode::Replay);
    let admin = start(None, &commands);
    let wrong = get(&admin, "/pause");
    assert!(wrong.starts_with("HTTP/1.1 405") && wrong.contains("allow: POST"), "{wrong}");
    assert!(post(&admin, "/metrics", "").contains("allow: GET"));
    let page = ask(&admin, "POST /stop HTTP/1.1\r\norigin: http://evil.example", "");
    assert!(page.starts_with("HTTP/1.1 403"), "{page}");
    assert!(!commands.stop.is_stopped());
}

#[test]
fn with_a_token_only_who_has_it_may_watch_and_command() {
    let commands = commands(Mode::Replay);
    let admin = start(Some("s3cret"), &commands);
    for path in ["/metrics", "/status"] {
        assert!(get(&admin, path).starts_with("HTTP/1.1 401"), "{path}");
    }
    let refused = ask(&admin, "POST /stop HTTP/1.1\r\nauthorization: Bearer wrong", "");
    assert!(refused.starts_with("HTTP/1.1 401") && refused.contains("www-authenticate: Bearer"), "{refused}");
    assert!(!commands.stop.is_stopped());
    assert!(get(&admin, "/livez").starts_with("HTTP/1.1 200"), "a probe has no token");
    let taken = ask(&admin, "POST /pause HTTP/1.1\r\nauthorization: Bearer s3cret", "");
    assert!(taken.starts_with("HTTP/1.1 200"), "{taken}");
}

#[test]
fn an_address_in_use_is_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = AdminConfig { address: taken.local_addr().unwrap(), token: None };
    let error = Admin::start(Some(&config), commands(Mode::Replay)).err().unwrap();
    assert!(error.to_string().contains("cannot listen on the admin address"));
    assert_eq!(error.status(), crate::error::ExitStatus::Usage);
}
