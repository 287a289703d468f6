//! An empty store for one test, and the few things that tests do with it.

use std::time::{Duration, Instant};

use tempfile::TempDir;
use umbra_common::codec;
use umbra_common::exchange::{Exchange, ExchangeId};
use umbra_common::store::{
    Append, Follow, Next, Plan, Record, Start, Store, StoreConfig, StoreHealth, StoreUrl, Stored, open_append,
};
use umbra_common::time::{Timestamp, Window};
use umbra_tests::kafka::Kafka;
use umbra_tests::wait::{DEADLINE, eventually};

use super::tally::{Tally, Ticket};

/// A store that nobody else has, with nothing in it.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) config: StoreConfig,
    folder: TempDir,
}

pub(super) type Appender = Box<dyn Append<Ticket>>;

/// Waits as the recorder does: the store is tended meanwhile.
#[track_caller]
pub(super) fn tended(appender: &mut Appender, what: &str, mut condition: impl FnMut() -> bool) {
    eventually(what, || {
        appender.tend();
        condition()
    });
}

impl Fresh {
    pub(super) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("traffic.db").display());
        Self { config: StoreConfig::new(url.parse().unwrap()), folder }
    }

    pub(super) fn kafka(partitions: u16) -> Self {
        Self::at(Kafka::shared().topic_with("contract", partitions))
    }

    pub(super) fn at(url: StoreUrl) -> Self {
        Self { config: StoreConfig::new(url), folder: tempfile::tempdir().unwrap() }
    }

    /// Sets a property of `[store.kafka]`.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.config.kafka.insert(name.into(), value.into());
        self
    }

    pub(super) fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("traffic.db")
    }

    pub(super) fn is_sqlite(&self) -> bool {
        matches!(self.config.url, StoreUrl::Sqlite(_))
    }

    pub(super) fn appender(&self) -> Appender {
        open_append(&self.config, StoreHealth::new().into()).unwrap()
    }

    /// Appends exchanges and waits until all are stored.
    #[track_caller]
    pub(super) fn append(&self, exchanges: &[Exchange]) {
        self.append_raw(exchanges.iter().map(|e| (e.id, e.arrival, codec::encode(e))));
    }

    /// Appends records as they are, in this order, and waits until all are stored.
    #[track_caller]
    pub(super) fn append_raw(&self, records: impl IntoIterator<Item = (ExchangeId, Timestamp, Vec<u8>)>) {
        let tally = Tally::default();
        let mut appender = self.appender();
        appender.append(&mut records.into_iter().map(|r| record(r, &tally)).collect());
        appender.close(DEADLINE);
        let counts = tally.now();
        assert!(counts.is_settled() && counts.lost() == 0, "{counts:?}");
    }

    /// Opens it for reading, where the topic may just be on its way.
    #[track_caller]
    pub(super) fn open(&self) -> Store {
        Store::open(&self.config).unwrap_or_else(|e| panic!("opening {}: {e}", self.config.url))
    }

    /// Makes the store with nothing in it.
    #[track_caller]
    pub(super) fn make(&self) -> Store {
        let appender = self.appender();
        let store = umbra_tests::wait::eventually_some("the empty store", || Store::open(&self.config).ok());
        appender.close(Duration::ZERO);
        store
    }

    #[track_caller]
    pub(super) fn plan(&self, from: Timestamp, to: Timestamp) -> Plan {
        self.open().plan(Window::new(from, to).unwrap()).unwrap()
    }

    /// Everything that a plan gives, as it comes. Checks that the ends are told, each once.
    #[track_caller]
    pub(super) fn read(&self, plan: &Plan) -> Vec<Stored> {
        let mut reader = self.open().read(plan).unwrap();
        let mut records = Vec::new();
        let mut ends = Vec::new();
        let until = Instant::now() + DEADLINE;
        loop {
            match reader.next(Duration::from_millis(100)).unwrap() {
                Next::Record(stored) => {
                    assert!(!ends.contains(&stored.position.partition), "{:?} after its end", stored.position);
                    records.push(stored);
                }
                Next::PartitionEnd(partition) => ends.push(partition),
                Next::Idle => assert!(Instant::now() < until, "{} of {plan:?}, then nothing", records.len()),
                Next::End => break,
            }
        }
        assert!(matches!(reader.next(Duration::ZERO), Ok(Next::End)), "the end stays the end");
        ends.sort_unstable();
        assert_eq!(ends, plan.partitions.iter().map(|p| p.partition).collect::<Vec<_>>());
        records
    }

    /// The exchanges of a window in order of arrival, as a replayer takes them: filtered on arrival.
    #[track_caller]
    pub(super) fn window(&self, from: Timestamp, to: Timestamp) -> Vec<Exchange> {
        let plan = self.plan(from, to);
        let read = self.read(&plan).into_iter().map(|stored| stored.exchange.unwrap());
        let mut exchanges: Vec<_> = read.filter(|e| plan.window.contains(e.arrival)).collect();
        exchanges.sort_by_key(|e| e.arrival);
        exchanges
    }

    #[track_caller]
    pub(super) fn follow(&self, group: &str, start: Start) -> Box<dyn Follow> {
        // A group is the whole cluster's, and the cluster is every test's.
        let group = match &self.config.url {
            StoreUrl::Sqlite(_) => group.to_owned(),
            StoreUrl::Kafka(url) => format!("{group}-{}", url.topic),
        };
        self.open().follow(&group, start).unwrap()
    }
}

/// A record to append.
pub(super) fn record((id, arrival, value): (ExchangeId, Timestamp, Vec<u8>), tally: &Tally) -> Record<Ticket> {
    Record { key: id.to_bytes().to_vec(), id, arrival, value, receipt: tally.ticket(id) }
}

/// Records of these exchanges.
pub(super) fn records(exchanges: &[Exchange], tally: &Tally) -> Vec<Record<Ticket>> {
    exchanges.iter().map(|e| record((e.id, e.arrival, codec::encode(e)), tally)).collect()
}

/// The next so many records of a follower. Fails where they do not come.
#[track_caller]
pub(super) fn take(follower: &mut dyn Follow, count: usize) -> Vec<Stored> {
    let until = Instant::now() + DEADLINE;
    let mut records = Vec::new();
    while records.len() < count {
        match follower.next(Duration::from_millis(50)).unwrap() {
            Next::Record(stored) => records.push(stored),
            Next::Idle => assert!(Instant::now() < until, "{} of {count} records came", records.len()),
            other => panic!("a follower never gives {other:?}"),
        }
    }
    records
}

/// The targets of records, sorted: what tells samples apart.
#[track_caller]
pub(super) fn targets(records: &[Stored]) -> Vec<String> {
    let target = |stored: &Stored| String::from_utf8_lossy(&stored.exchange.as_ref().unwrap().request.target).into();
    let mut targets: Vec<String> = records.iter().map(target).collect();
    targets.sort();
    targets
}
