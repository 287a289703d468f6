//! A SQLite store with exchanges in it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use umbra_common::codec;
use umbra_common::exchange::{Body, Ending, Exchange, ExchangeId, HttpVersion, Request, Response, Scheme};
use umbra_common::fraction::Fraction;
use umbra_common::store::{Loss, Receipt, Record, StoreConfig, StoreHealth, open_append};
use umbra_common::time::{Timestamp, Window};

/// When the first exchange of a recording arrived.
const BEGIN: Timestamp = Timestamp::ZERO;

/// A GET of a path, so long after the beginning, answered with 200.
pub(crate) fn exchange(path: &str, after: Duration) -> Exchange {
    let arrival = BEGIN.after(Duration::from_secs(1_700_000_000) + after);
    Exchange {
        id: ExchangeId::new(arrival, path.bytes().fold(7, |h: u64, b| h.wrapping_mul(31) + u64::from(b))),
        arrival,
        client: None,
        request: Request {
            method: Bytes::from_static(b"GET"),
            target: Bytes::copy_from_slice(path.as_bytes()),
            version: HttpVersion::Http11,
            scheme: Scheme::Http,
            authority: Bytes::from_static(b"api.example.com"),
            headers: [("host", "api.example.com"), ("accept", "*/*")].into_iter().collect(),
            body: Body::default(),
            trailers: [("", "")][..0].iter().copied().collect(),
        },
        session: Bytes::new(),
        sampled_at: Fraction::ALL,
        upstream: "http://192.0.2.1:3000".into(),
        recorder: "test".into(),
        ending: Ending::Complete,
        total: Duration::from_millis(3),
        response: Some(Response {
            status: 200,
            headers: [("content-type", "text/plain")].into_iter().collect(),
            body: Body::default(),
            trailers: [("", "")][..0].iter().copied().collect(),
            first_byte: Duration::from_millis(2),
        }),
    }
}

struct Unread;

impl Receipt for Unread {
    fn stored(self) {}
    fn lost(self, why: Loss) {
        panic!("lost: {why:?}");
    }
}

/// A store that is deleted with this.
pub(crate) struct Recording {
    _directory: tempfile::TempDir,
    pub(crate) store: StoreConfig,
}

impl Recording {
    pub(crate) fn of(exchanges: &[Exchange]) -> Self {
        Self::raw(exchanges.iter().map(|e| (e.id, e.arrival, codec::encode(e))))
    }

    /// With these bytes as records.
    pub(crate) fn raw(records: impl IntoIterator<Item = (ExchangeId, Timestamp, Vec<u8>)>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("traffic.db").display());
        let store = StoreConfig::new(url.parse().unwrap());
        let recording = Self { _directory: directory, store };
        recording.append(records);
        recording
    }

    pub(crate) fn append(&self, records: impl IntoIterator<Item = (ExchangeId, Timestamp, Vec<u8>)>) {
        let mut append = open_append::<Unread>(&self.store, Arc::new(StoreHealth::new())).unwrap();
        let records = records.into_iter();
        let mut batch = records
            .map(|(id, arrival, value)| Record { key: id.to_bytes().to_vec(), id, arrival, value, receipt: Unread })
            .collect();
        append.append(&mut batch);
        append.close(Duration::from_secs(10));
    }

    /// Everything.
    pub(crate) fn window() -> Window {
        Window::ALL
    }
}
