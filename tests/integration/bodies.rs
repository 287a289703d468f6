//! Bodies of any size pass through, in bounded memory, and leave a record that says how long they were.

use http::Method;
use umbra_common::exchange::Body;
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

    /// Ends the recorder, whose memory must have been bounded at every moment, and gives the bodies of its only record.
    fn close(mut self) -> (Body, Body) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.recorder.program().pid())).unwrap();
        let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
        let peak = peak.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10;
        assert!(peak < MOST_RESIDENT, "{peak} bytes were resident");
        self.recorder.signal("TERM");
        self.recorder.finish().expect(0);
        let mut exchanges = self.store.exchanges();
        assert_eq!(exchanges.len(), 1);
        let exchange = exchanges.remove(0);
        (exchange.request.body, exchange.response.unwrap().body)
    }
}

#[track_caller]
fn assert_cut(body: &Body) {
    assert_eq!((body.length, body.truncated, body.bytes.len()), (LARGE, true, BODY_LIMIT));
    assert!(body.bytes.iter().all(|b| *b == b'x'));
}

#[test]
fn an_upload_of_2_gib_passes_in_100_mib() {
    let passage = Passage::open();
    assert_eq!(flood::upload(passage.recorder.addr(), LARGE), LARGE);
    let (request, response) = passage.close();
    assert_cut(&request);
    assert_eq!((&response.bytes[..], response.truncated), (LARGE.to_string().as_bytes(), false));
}

#[test]
fn a_download_of_2_gib_passes_in_100_mib() {
    let passage = Passage::open();
    assert_eq!(flood::download(passage.recorder.addr(), LARGE), LARGE);
    let (request, response) = passage.close();
    assert_eq!((request.length, request.truncated), (0, false));
    assert_cut(&response);
}

#[test]
fn an_upload_of_2_gib_by_http2_passes_in_100_mib() {
    let passage = Passage::open();
    let (_, said) = flood::http2(passage.recorder.addr(), Method::POST, "/upload", LARGE);
    assert_eq!(said, LARGE.to_string());
    assert_cut(&passage.close().0);
}

#[test]
fn a_download_of_2_gib_by_http2_passes_in_100_mib() {
    let passage = Passage::open();
    let (came, _) = flood::http2(passage.recorder.addr(), Method::GET, &format!("/{LARGE}"), 0);
    assert_eq!(came, LARGE);
    assert_cut(&passage.close().1);
}
