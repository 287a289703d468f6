//! What the contract suite cannot reach: limits that take a clock or a full disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use super::retention::Limits;
use super::{Appender, schema};
use crate::exchange::ExchangeId;
use crate::size::ByteSize;
use crate::store::{Append, Loss, Receipt, Record, SqliteUrl, StoreHealth, StoreState};
use crate::time::Timestamp;

#[derive(Clone, Debug, Default)]
struct Counts(Arc<[AtomicUsize; 2]>);

impl Counts {
    /// How many were stored, and how many lost.
    fn ends(&self) -> (usize, usize) {
        (self.0[0].load(Ordering::Relaxed), self.0[1].load(Ordering::Relaxed))
    }
}

impl Receipt for Counts {
    fn stored(self) {
        self.0[0].fetch_add(1, Ordering::Relaxed);
    }

    fn lost(self, _: Loss) {
        self.0[1].fetch_add(1, Ordering::Relaxed);
    }
}

fn batch(counts: &Counts, count: usize, size: usize, arrival: Timestamp) -> Vec<Record<Counts>> {
    let record = |i| Record {
        key: Vec::new(),
        id: ExchangeId::new(arrival, i as u64),
        arrival: arrival.after(Duration::from_nanos(i as u64)),
        value: vec![7; size],
        receipt: counts.clone(),
    };
    (0..count).map(record).collect()
}

fn rows(path: &std::path::Path) -> i64 {
    let connection = schema::open_for_read(path).unwrap();
    connection.query_row("SELECT count(*) FROM exchanges", [], |row| row.get(0)).unwrap()
}

fn store(folder: &tempfile::TempDir) -> SqliteUrl {
    SqliteUrl { path: folder.path().join("t.db"), retention: None, max_size: None }
}

#[test]
fn the_size_limit_holds_at_every_moment() {
    let folder = tempfile::tempdir().unwrap();
    let max = ByteSize::mib(4);
    let url = SqliteUrl { max_size: Some(max), ..store(&folder) };
    let mut appender = Box::new(Appender::open(&url, Arc::default()).unwrap());
    let counts = Counts::default();
    let on_disk = || {
        let size = |suffix: &str| {
            let name = format!("{}{suffix}", url.path.display());
            std::fs::metadata(name).map_or(0, |m| m.len())
        };
        (size(""), size("-wal"))
    };
    for i in 0..400 {
        let size = 200 + 97 * (i % 60);
        appender.append(&mut batch(&counts, 40, size, Timestamp::from_millis(i as u64)));
        assert!(on_disk().0 <= max.bytes(), "round {i}: {:?}", on_disk());
    }
    assert_eq!(counts.ends(), (16_000, 0));
    appender.close(Duration::ZERO);
    let left = rows(&url.path);
    assert!((500..16_000).contains(&left), "{left}");
    assert!(on_disk().0 > max.bytes() / 2, "room that may be used is used: {:?}", on_disk());
}

#[test]
fn a_smaller_limit_shrinks_the_file_in_steps() {
    let folder = tempfile::tempdir().unwrap();
    let url = store(&folder);
    let counts = Counts::default();
    let mut appender = Box::new(Appender::open(&url, Arc::default()).unwrap());
    appender.append(&mut batch(&counts, 4_000, 3_000, Timestamp::from_millis(1)));
    appender.close(Duration::ZERO);

    let limits = Limits::new(&SqliteUrl { max_size: Some(ByteSize::mib(2)), ..url.clone() });
    let mut connection = schema::open_or_make(&url.path).unwrap();
    for _ in 0..100 {
        limits.apply(&mut connection, Timestamp::now()).unwrap();
    }
    drop(connection);
    assert!(std::fs::metadata(&url.path).unwrap().len() <= ByteSize::mib(2).bytes());
    assert!(rows(&url.path) > 100);
}

#[test]
fn retention_removes_by_arrival_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let url = SqliteUrl { retention: Some(Duration::from_secs(60)), ..store(&folder) };
    let counts = Counts::default();
    let mut appender = Box::new(Appender::open(&url, Arc::default()).unwrap());
    let now = Timestamp::now();
    appender.append(&mut batch(&counts, 700, 100, now.before(Duration::from_secs(600))));
    appender.append(&mut batch(&counts, 5, 100, now));
    appender.append(&mut batch(&counts, 700, 100, now.before(Duration::from_secs(70))));
    for _ in 0..50 {
        appender.tend();
    }
    assert_eq!(rows(&url.path), 5);
}

/// A full disk, as SQLite sees one: the appender's own connection may not take another page.
#[test]
fn a_full_disk_loses_records_honestly_and_recording_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let url = store(&folder);
    let health = Arc::<StoreHealth>::default();
    let mut appender = Box::new(Appender::<Counts>::open(&url, Arc::clone(&health)).unwrap());
    let connection: &mut Connection = appender.connect().unwrap();
    connection.pragma_update_and_check(None, "max_page_count", 20, |_| Ok(())).unwrap();
    let counts = Counts::default();
    appender.append(&mut batch(&counts, 50, 4_000, Timestamp::now()));
    assert_eq!(counts.ends(), (0, 50));
    let (state, _, error) = health.get();
    assert_eq!(state, StoreState::Down);
    assert!(error.unwrap().contains("full"));

    appender.append(&mut batch(&counts, 50, 4_000, Timestamp::now()));
    assert_eq!(counts.ends(), (50, 50));
    assert_eq!(health.get().0, StoreState::Up);
    assert_eq!(rows(&url.path), 50);
}
