//! Bodies of any size pass through, in bounded memory, and leave a record that says how long they were.

use http::Method;
use umbra_common::exchange::{Body, Ending, Exchange};
use umbra_common::store::EMIT_AFTER;
use umbra_tests::flood::{self, FloodOrigin};
use umbra_tests::stores::TestStore;

use crate::running::Running;

const LARGE: u64 = 2 << 30;
const MOST_RESIDENT: u64 = 100 << 20;
const BODY_LIMIT: usize = 1 << 20;

/// A recorder through which something large is to pass.
struct Passage {
    recorder: Running,
    store: TestStore,
    _origin: FloodOrigin,
}

impl Passage {
    fn open() -> Self {
        let (origin, store) = (FloodOrigin::start(), TestStore::sqlite());
        let flags = ["--store", store.url(), "--upstream", &origin.url(), "--responses", "full"];
        Self { recorder: Running::start(&flags), store, _origin: origin }
    }

    /// Ends the recorder, whose memory must have been bounded at every moment, and gives its only record.
    fn close(mut self) -> Exchange {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.recorder.program().pid())).unwrap();
        let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
        let peak = peak.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10;
        assert!(peak < MOST_RESIDENT, "{peak} bytes were resident");
        self.recorder.signal("TERM");
        self.recorder.finish().expect(0);
        let mut exchanges = self.store.exchanges();
        assert_eq!(exchanges.len(), 1);
        exchanges.remove(0)
    }
}

/// Whether it was over when its record was written. What a slow machine takes longer for is written as it then stands.
#[track_caller]
fn is_whole(exchange: &Exchange) -> bool {
    let (ending, total) = (exchange.ending, exchange.total);
    assert!(
        ending == Ending::Complete || (ending == Ending::Unfinished && total >= EMIT_AFTER),
        "{ending:?} {total:?}"
    );
    ending == Ending::Complete
}

#[track_caller]
fn assert_cut(exchange: &Exchange, body: &Body) {
    let lengths = if is_whole(exchange) { LARGE..=LARGE } else { BODY_LIMIT as u64..=LARGE };
    assert!(lengths.contains(&body.length), "{} of {LARGE}", body.length);
    assert_eq!((body.truncated, body.bytes.len()), (true, BODY_LIMIT));
    assert!(body.bytes.iter().all(|b| *b == b'x'));
}

#[test]
fn an_upload_of_2_gib_passes_in_100_mib() {
    let passage = Passage::open();
    assert_eq!(flood::upload(passage.recorder.addr(), LARGE), LARGE);
    let exchange = passage.close();
    assert_cut(&exchange, &exchange.request.body);
    if is_whole(&exchange) {
        let response = exchange.response.unwrap().body;
        assert_eq!((&response.bytes[..], response.truncated), (LARGE.to_string().as_bytes(), false));
    }
}

#[test]
fn a_download_of_2_gib_passes_in_100_mib() {
    let passage = Passage::open();
    assert_eq!(flood::download(passage.recorder.addr(), LARGE), LARGE);
    let exchange = passage.close();
    assert_eq!((exchange.request.body.length, exchange.request.body.truncated), (0, false));
    assert_cut(&exchange, &exchange.response.as_ref().unwrap().body);
}

#[test]
fn an_upload_of_2_gib_by_http2_passes_in_100_mib() {
    let passage = Passage::open();
    let (_, said) = flood::http2(passage.recorder.addr(), Method::POST, "/upload", LARGE);
    assert_eq!(said, LARGE.to_string());
    let exchange = passage.close();
    assert_cut(&exchange, &exchange.request.body);
}

#[test]
fn a_download_of_2_gib_by_http2_passes_in_100_mib() {
    let passage = Passage::open();
    let (came, _) = flood::http2(passage.recorder.addr(), Method::GET, &format!("/{LARGE}"), 0);
    assert_eq!(came, LARGE);
    let exchange = passage.close();
    assert_cut(&exchange, &exchange.response.as_ref().unwrap().body);
}
