//! Traffic listed, shown and tailed from a real store.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use umbra_common::codec;
use umbra_common::fraction::Fraction;
use umbra_common::time::Window;

use super::print;
use crate::command::{Look, TrafficConfig};
use crate::error::{ExitStatus, RunError};
use crate::read::Filter;
use crate::stop::Stop;
use crate::testing::{Recording, exchange};
use crate::traffic::{Output, Screen};

const WHOLE: Look = Look::List { window: Window::ALL, follow: false };

fn recording() -> Recording {
    Recording::of(&[exchange("/first", Duration::ZERO), exchange("/second", Duration::from_millis(5))])
}

fn look(recording: &Recording, look: Look, output: Output) -> Result<(ExitStatus, String), RunError> {
    let config = TrafficConfig {
        store: recording.store.clone(),
        filter: Filter::default(),
        output,
        screen: Screen::default(),
        look,
    };
    let mut out = Vec::new();
    let status = print(&config, &Stop::new(), &mut out)?;
    Ok((status, String::from_utf8(out).unwrap()))
}

#[test]
fn a_window_is_listed_in_order() {
    let (status, text) = look(&recording(), WHOLE, Output::Table).unwrap();
    assert_eq!(status, ExitStatus::Done);
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("TIME") && lines[1].contains("/first") && lines[2].contains("/second"), "{text}");
}

#[test]
fn each_output_has_every_exchange() {
    for (output, sign) in [
        (Output::Json, "\"target\":\"/first\""),
        (Output::Http, "GET /first HTTP/1.1"),
        (Output::Curl, "curl "),
        (Output::Har, "api.example.com/first"),
    ] {
        let (_, text) = look(&recording(), WHOLE, output).unwrap();
        assert!(text.contains(sign) && text.contains("/second"), "{text}");
    }
}

#[test]
fn a_window_without_exchanges_exits_3() {
    let early =
        Window::new(umbra_common::time::Timestamp::ZERO, umbra_common::time::Timestamp::from_millis(1)).unwrap();
    let (status, text) = look(&recording(), Look::List { window: early, follow: false }, Output::Table).unwrap();
    assert_eq!((status, text.as_str()), (ExitStatus::NothingToSend, ""));
}

#[test]
fn a_window_of_garbage_exits_1() {
    let good = exchange("/", Duration::ZERO);
    let garbage = Recording::raw([(good.id, good.arrival, b"garbage".to_vec())]);
    assert_eq!(look(&garbage, WHOLE, Output::Table).unwrap().0, ExitStatus::Failed);
}

#[test]
fn an_exchange_is_shown_by_its_id() {
    let id = exchange("/second", Duration::from_millis(5)).id;
    let (status, text) = look(&recording(), Look::Show(id.to_string().parse().unwrap()), Output::Http).unwrap();
    assert_eq!(status, ExitStatus::Done);
    assert!(text.contains("GET /second HTTP/1.1") && !text.contains("/first"));
    let unknown = exchange("/none", Duration::from_secs(9)).id;
    let error = look(&recording(), Look::Show(unknown.to_string().parse().unwrap()), Output::Http).unwrap_err();
    assert!(error.to_string().contains(&format!("no exchange {unknown}")));
    assert_eq!(error.status(), ExitStatus::Failed);
}

#[test]
fn sampling_nothing_in_lists_nothing() {
    let recording = recording();
    let filter = Filter { sample: Fraction::NONE, ..Filter::default() };
    let look = WHOLE;
    let config =
        TrafficConfig { store: recording.store.clone(), filter, output: Output::Json, screen: Screen::default(), look };
    let mut out = Vec::new();
    assert_eq!(print(&config, &Stop::new(), &mut out).unwrap(), ExitStatus::NothingToSend);
}

#[test]
fn a_condition_lists_what_it_holds_for() {
    let recording = Recording::of(&[exchange("/a", Duration::ZERO), exchange("/b", Duration::from_secs(1))]);
    let filter = Filter { conditions: vec!["path == '/b'".parse().unwrap()], ..Filter::default() };
    let look = WHOLE;
    let config =
        TrafficConfig { store: recording.store.clone(), filter, output: Output::Json, screen: Screen::default(), look };
    let mut out = Vec::new();
    assert_eq!(print(&config, &Stop::new(), &mut out).unwrap(), ExitStatus::Done);
    let listed = String::from_utf8(out).unwrap();
    assert_eq!((listed.lines().count(), listed.contains("/b")), (1, true), "{listed}");
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn contains_in_time(&self, what: &str) -> bool {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if String::from_utf8_lossy(&self.0.lock().unwrap()).contains(what) {
                return true;
            }
            std::thread::yield_now();
        }
        false
    }
}

/// A look that goes on until it is stopped, with what it has printed.
fn going_on(
    recording: &Recording,
    look: Look,
) -> (Shared, Stop, std::thread::JoinHandle<Result<ExitStatus, RunError>>) {
    let (out, stop) = (Shared::default(), Stop::new());
    let config = TrafficConfig {
        store: recording.store.clone(),
        filter: Filter::default(),
        output: Output::Table,
        screen: Screen::default(),
        look,
    };
    let (mut to, stopped) = (out.clone(), stop.clone());
    (out, stop, std::thread::spawn(move || print(&config, &stopped, &mut to)))
}

#[test]
fn the_tail_prints_what_is_recorded_from_now_on() {
    let recording = recording();
    let (out, stop, running) = going_on(&recording, Look::Tail);
    assert!(out.contains_in_time("TIME"));
    let third = exchange("/third", Duration::from_secs(1));
    recording.append([(third.id, third.arrival, codec::encode(&third))]);
    assert!(out.contains_in_time("/third"));
    stop.stop();
    assert_eq!(running.join().unwrap().unwrap(), ExitStatus::Interrupted);
    assert!(!String::from_utf8_lossy(&out.0.lock().unwrap()).contains("/first"));
}

#[test]
fn a_list_that_is_followed_has_everything_once() {
    let now = umbra_common::time::Timestamp::now();
    let recent = |path: &str| {
        let mut exchange = exchange(path, Duration::ZERO);
        exchange.arrival = now;
        exchange.id = umbra_common::exchange::ExchangeId::new(now, exchange.id.random());
        exchange
    };
    let recording = Recording::of(&[exchange("/old", Duration::ZERO), recent("/listed")]);
    let (out, stop, running) = going_on(&recording, Look::List { window: Window::ALL, follow: true });
    assert!(out.contains_in_time("/listed"));
    let next = recent("/next");
    recording.append([(next.id, next.arrival, codec::encode(&next))]);
    assert!(out.contains_in_time("/next"));
    stop.stop();
    assert_eq!(running.join().unwrap().unwrap(), ExitStatus::Interrupted);
    let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
    for path in ["TIME", "/old", "/listed", "/next"] {
        assert_eq!(text.matches(path).count(), 1, "{path}\n{text}");
    }
}

#[test]
fn an_id_is_completed_where_only_one_begins_so() {
    let id = exchange("/second", Duration::from_millis(5)).id.to_string();
    let show = |prefix: &str| look(&recording(), Look::Show(prefix.parse().unwrap()), Output::Http);
    assert!(show(&id[..13]).unwrap().1.contains("GET /second"));
    let error = show(&id[..8]).unwrap_err().to_string();
    assert!(error.contains("several exchanges begin with") && error.contains(&id), "{error}");
    assert!(show("ffffff").unwrap_err().to_string().contains("no exchange ffffff"));
}

#[test]
fn endpoints_are_counted() {
    let top = |output| look(&recording(), Look::Top { window: Window::ALL, limit: 9 }, output).unwrap();
    let (status, text) = top(Output::Table);
    assert_eq!((status, text.lines().count()), (ExitStatus::Done, 3), "{text}");
    assert_eq!(top(Output::Json).1.lines().count(), 2);
    let nothing = look(&Recording::of(&[]), Look::Top { window: Window::ALL, limit: 9 }, Output::Table).unwrap();
    assert_eq!(nothing, (ExitStatus::NothingToSend, String::new()));
}

struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let recording = recording();
    let look = WHOLE;
    let config = TrafficConfig {
        store: recording.store.clone(),
        filter: Filter::default(),
        output: Output::Json,
        screen: Screen::default(),
        look,
    };
    assert_eq!(print(&config, &Stop::new(), &mut Closed).unwrap(), ExitStatus::Done);
}
