//! Stores for tests: an empty one for each, written and read without the programs under test.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use umbra_common::codec;
use umbra_common::exchange::Exchange;
use umbra_common::store::{Loss, Next, Receipt, Record, Store, StoreConfig, StoreHealth, StoreUrl, open_append};
use umbra_common::time::Window;

use crate::chaos::Chaos;
use crate::kafka::Kafka;

/// An empty store of a test's own.
#[derive(Debug)]
pub struct TestStore {
    url: String,
    directory: TempDir,
}

impl TestStore {
    /// One SQLite file in a directory of its own.
    pub fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("traffic.db").display());
        Self { url, directory }
    }

    /// One topic of its own, not made yet, on the run's Kafka.
    pub fn kafka() -> Self {
        /// More than one, so that order over partitions is tested.
        const PARTITIONS: u16 = 3;
        let url = Kafka::shared().topic_with("test", PARTITIONS).to_string();
        Self { url, directory: tempfile::tempdir().unwrap() }
    }

    /// One at a URL, which is empty.
    pub fn at(url: &StoreUrl) -> Self {
        Self { url: url.to_string(), directory: tempfile::tempdir().unwrap() }
    }

    /// A proxy in front of the run's Kafka.
    pub fn chaos(&self) -> Chaos {
        let (host, port) = Kafka::shared().brokers().rsplit_once(':').unwrap();
        Chaos::before_kafka(host, port.parse().unwrap())
    }

    /// What `--store` takes for this topic by way of a proxy.
    pub fn url_through(&self, chaos: &Chaos) -> String {
        self.url.replace(Kafka::shared().brokers(), &chaos.addr().to_string())
    }

    /// What `--store` takes.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A directory that goes with the test.
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// The store's configuration.
    pub fn config(&self) -> StoreConfig {
        StoreConfig::new(self.url.parse().unwrap())
    }

    /// Every exchange in it, in order of arrival; fails where a record does not decode.
    #[track_caller]
    pub fn exchanges(&self) -> Vec<Exchange> {
        read_all(&self.config()).into_iter().map(|e| e.unwrap_or_else(|e| panic!("a stored record: {e}"))).collect()
    }

    /// Writes exchanges, and waits until they are stored.
    #[track_caller]
    pub fn write(&self, exchanges: &[Exchange]) {
        let records = exchanges.iter().map(|e| (e.id, e.arrival, codec::encode(e)));
        write_raw(&self.config(), records.collect());
    }
}

/// Every record of a store, in order of arrival; those that do not decode come last.
fn read_all(config: &StoreConfig) -> Vec<Result<Exchange, codec::DecodeError>> {
    const WAIT: Duration = Duration::from_millis(100);
    let store = Store::open(config).unwrap_or_else(|e| panic!("opening {}: {e}", config.url));
    let plan = store.plan(Window::ALL).unwrap();
    let mut reader = store.read(&plan).unwrap();
    let mut all = Vec::new();
    loop {
        match reader.next(WAIT).unwrap() {
            Next::Record(stored) => all.push(stored.exchange),
            Next::Idle | Next::PartitionEnd(_) => {}
            Next::End => break,
        }
    }
    all.sort_by_key(|e| e.as_ref().map_or(umbra_common::time::Timestamp::LAST, |e| e.arrival));
    all
}

/// A raw record: its id, when it arrived, its bytes.
pub type RawRecord = (umbra_common::exchange::ExchangeId, umbra_common::time::Timestamp, Vec<u8>);

/// Writes records as they are, and waits until they are stored.
#[track_caller]
pub fn write_raw(config: &StoreConfig, records: Vec<RawRecord>) {
    const LONGEST: Duration = Duration::from_secs(20);
    let stored = Arc::new(AtomicUsize::new(0));
    let count = records.len();
    let mut appender = open_append::<Counting>(config, Arc::new(StoreHealth::new())).unwrap();
    let receipt = || Counting(Arc::clone(&stored));
    let mut batch: Vec<_> = records
        .into_iter()
        .map(|(id, arrival, value)| Record { key: id.to_bytes().to_vec(), id, arrival, value, receipt: receipt() })
        .collect();
    appender.tend();
    appender.append(&mut batch);
    appender.close(LONGEST);
    assert_eq!(stored.load(Ordering::SeqCst), count, "records stored in {}", config.url);
}

struct Counting(Arc<AtomicUsize>);

impl Receipt for Counting {
    fn stored(self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn lost(self, _: Loss) {}
}
