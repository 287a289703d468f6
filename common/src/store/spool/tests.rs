//! The spool in front of a store that does as it is told.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::*;
use crate::exchange::ExchangeId;
use crate::store::{Loss, Record, StoreState};
use crate::time::Timestamp;
use receipt::Via;

/// What a store does with what it gets.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    Takes,
    Loses(Loss),
    /// Says nothing until it is asked to do something else.
    Keeps,
}

/// What became of the recorder's records: stored, and lost by reason.
#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<(usize, Vec<Loss>)>>);

impl Receipt for Told {
    fn stored(self) {
        self.0.lock().unwrap().0 += 1;
    }

    fn lost(self, why: Loss) {
        self.0.lock().unwrap().1.push(why);
    }
}

impl Told {
    fn now(&self) -> (usize, Vec<Loss>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Fake {
    does: Does,
    /// The numbers of the records that it has, in its order.
    log: Vec<u64>,
    kept: Vec<Record<Via<Told>>>,
    /// Refused whatever it does.
    poison: Option<u64>,
}

#[derive(Clone)]
struct FakeStore(Arc<Mutex<Fake>>);

impl FakeStore {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Fake { does: Does::Takes, log: Vec::new(), kept: Vec::new(), poison: None })))
    }

    fn set(&self, does: Does) {
        let mut kept = {
            let mut fake = self.0.lock().unwrap();
            fake.does = does;
            std::mem::take(&mut fake.kept)
        };
        self.clone().append(&mut kept);
    }

    fn log(&self) -> Vec<u64> {
        self.0.lock().unwrap().log.clone()
    }
}

impl Append<Via<Told>> for FakeStore {
    fn append(&mut self, batch: &mut Vec<Record<Via<Told>>>) {
        let mut fake = self.0.lock().unwrap();
        for record in batch.drain(..) {
            let number = u64::from_be_bytes(record.key[..8].try_into().unwrap());
            match fake.does {
                _ if fake.poison == Some(number) => record.receipt.lost(Loss::Rejected),
                Does::Takes => {
                    fake.log.push(number);
                    record.receipt.stored();
                }
                Does::Loses(why) => record.receipt.lost(why),
                Does::Keeps => fake.kept.push(record),
            }
        }
    }

    fn tend(&mut self) {}

    fn close(self: Box<Self>, _: Duration) {
        self.set(Does::Loses(Loss::Closed));
    }
}

struct Setup {
    store: FakeStore,
    told: Told,
    health: Arc<StoreHealth>,
    figures: Arc<SpoolFigures>,
    spooled: Box<Spooled<Told>>,
}

fn config(dir: &tempfile::TempDir, limit: ByteSize) -> SpoolConfig {
    SpoolConfig { dir: dir.path().join("spool"), limit, mark: ByteSize::mib(1) }
}

fn open(config: &SpoolConfig, store: &FakeStore) -> Setup {
    let (figures, health) = (Arc::<SpoolFigures>::default(), Arc::<StoreHealth>::default());
    let disk = Disk::open(config, Arc::clone(&figures)).unwrap();
    let files = Files::new(disk, Arc::clone(&figures));
    let spooled = Box::new(Spooled::new(Box::new(store.clone()), files, config, Arc::clone(&health)));
    Setup { store: store.clone(), told: Told::default(), health, figures, spooled }
}

impl Setup {
    fn append_sized(&mut self, numbers: std::ops::Range<u64>, size: usize) {
        let record = |n: u64| Record {
            key: n.to_be_bytes().to_vec(),
            id: ExchangeId::new(Timestamp::ZERO, n),
            arrival: Timestamp::from_millis(n),
            value: vec![n as u8; size],
            receipt: self.told.clone(),
        };
        let mut batch = numbers.map(record).collect();
        self.spooled.append(&mut batch);
    }

    fn append(&mut self, numbers: std::ops::Range<u64>) {
        self.append_sized(numbers, 100);
    }

    #[track_caller]
    fn tend_until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let until = Instant::now() + Duration::from_secs(20);
        while !holds(self) {
            assert!(Instant::now() < until, "{what}: {:?} {:?}", self.figures, self.told.now());
            self.spooled.tend();
            std::thread::yield_now();
        }
    }

    #[track_caller]
    fn drained(&mut self) {
        self.tend_until("an empty spool", |s| s.figures.bytes() == 0 && s.store.0.lock().unwrap().kept.is_empty());
    }
}

#[test]
fn a_store_that_takes_records_gets_them_straight() {
    let dir = tempfile::tempdir().unwrap();
    let mut s = open(&config(&dir, ByteSize::mib(1)), &FakeStore::new());
    s.append(0..50);
    assert_eq!((s.told.now().0, s.store.log().len(), s.figures.written()), (50, 50, 0));
}

#[test]
fn an_outage_loses_nothing_and_keeps_the_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut s = open(&config(&dir, ByteSize::mib(8)), &FakeStore::new());
    s.append(0..10);
    s.store.set(Does::Loses(Loss::Timeout));
    s.append(10..20);
    s.health.away("gone");
    for n in 2..40 {
        s.append(n * 10..n * 10 + 10);
    }
    assert_eq!(s.told.now(), (400, vec![]), "what is in the files is confirmed");
    s.store.set(Does::Takes);
    s.health.up();
    // New ones queue up behind the old ones.
    s.append(400..410);
    s.drained();
    assert_eq!(s.store.log(), (0..410).collect::<Vec<_>>());
    assert_eq!((s.told.now(), s.figures.delivered()), ((410, vec![]), 400));
    s.append(410..420);
    assert_eq!(s.figures.written(), 400, "and then they go straight again");
}

#[test]
fn a_store_that_only_says_nothing_is_spared_above_the_mark() {
    let dir = tempfile::tempdir().unwrap();
    let mut s = open(&config(&dir, ByteSize::mib(8)), &FakeStore::new());
    s.store.set(Does::Keeps);
    for n in 0..40 {
        s.append_sized(n..n + 1, 100_000);
    }
    assert_eq!((s.figures.written(), s.told.now().0), (29, 29), "eleven are over a mark of 1 MiB");
    s.store.set(Does::Takes);
    s.drained();
    s.tend_until("all of them", |s| s.told.now().0 == 40);
    assert_eq!(s.store.log(), (0..40).collect::<Vec<_>>());
}

#[test]
fn what_is_left_goes_on_with_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir, ByteSize::mib(8));
    let store = FakeStore::new();
    let mut s = open(&config, &store);
    s.store.set(Does::Loses(Loss::Timeout));
    s.health.away("gone");
    s.append_sized(0..60, 50_000);
    // This one is still on its way when the recorder ends.
    s.store.set(Does::Keeps);
    let Setup { spooled, told, .. } = s;
    spooled.close(Duration::ZERO);
    assert_eq!(told.now(), (60, vec![]));

    let mut s = open(&config, &store);
    store.set(Does::Takes);
    assert!(s.figures.bytes() > 3_000_000);
    s.append(60..61);
    s.drained();
    assert_eq!(store.log(), (0..61).collect::<Vec<_>>());
    assert_eq!(s.told.now().0, 1, "what an earlier process has counted is not counted again");
    assert_eq!(std::fs::read_dir(&config.dir).unwrap().count(), 2, "the lock and the position");
}

#[test]
fn what_comes_while_the_last_of_an_earlier_process_is_on_its_way_goes_on_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir, ByteSize::mib(8));
    let store = FakeStore::new();
    store.set(Does::Keeps);
    let mut s = open(&config, &store);
    s.health.away("gone");
    s.append(0..10);
    drop(s);
    store.0.lock().unwrap().kept.clear();

    let mut s = open(&config, &store);
    s.tend_until("all under way", |s| s.store.0.lock().unwrap().kept.len() == 10);
    s.append(10..20);
    store.set(Does::Takes);
    s.drained();
    assert_eq!(store.log(), (0..20).collect::<Vec<_>>());
}

#[test]
fn what_begins_a_segment_while_the_last_of_the_one_before_is_on_its_way_goes_on_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut s = open(&config(&dir, ByteSize::mib(1)), &FakeStore::new());
    s.store.set(Does::Keeps);
    s.health.away("gone");
    // More than a segment, which is an eighth of the limit; it goes out at once.
    s.append_sized(0..10, 20_000);
    s.append(10..20);
    s.health.up();
    s.store.set(Does::Takes);
    s.drained();
    assert_eq!((s.store.log(), s.figures.written()), ((0..20).collect::<Vec<_>>(), 20));
    s.append(20..21);
    assert_eq!(s.figures.written(), 20, "and then they go straight again");
}

#[test]
fn half_a_record_at_the_end_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir, ByteSize::mib(8));
    let store = FakeStore::new();
    let mut s = open(&config, &store);
    s.health.away("gone");
    s.store.set(Does::Keeps);
    s.append(0..10);
    drop(s);
    let segment = std::fs::read_dir(&config.dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| p.extension().is_some_and(|e| e == "segment"));
    let segment = segment.unwrap();
    let length = std::fs::metadata(&segment).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&segment).unwrap().set_len(length - 30).unwrap();

    let store = FakeStore::new();
    let mut s = open(&config, &store);
    s.append(10..12);
    s.drained();
    assert_eq!(store.log(), (0..9).chain(10..12).collect::<Vec<_>>());
    assert_eq!(s.figures.unreadable_bytes(), 8 + 28 + 8 + 100 - 30);
}

#[test]
fn over_the_limit_records_are_lost_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut s = open(&config(&dir, ByteSize::mib(1)), &FakeStore::new());
    s.health.away("gone");
    s.store.set(Does::Keeps);
    for n in 0..30 {
        s.append_sized(n..n + 1, 50_000);
        assert!(s.figures.bytes() <= 1 << 20);
    }
    let (stored, lost) = s.told.now();
    assert_eq!((stored, lost.len()), (20, 10));
    assert!(lost.iter().all(|why| *why == Loss::SpoolFull));
    s.store.set(Does::Takes);
    s.drained();
    assert_eq!(s.store.log(), (0..20).collect::<Vec<_>>());
    s.append(100..101);
    assert_eq!(s.told.now().0, 21, "with room again, records are recorded again");
}

#[test]
fn a_disk_that_fails_is_counted_and_recording_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir, ByteSize::mib(1));
    let mut s = open(&config, &FakeStore::new());
    std::fs::remove_dir_all(&config.dir).unwrap();
    s.health.away("gone");
    s.append(0..10);
    assert_eq!((s.told.now().0, s.store.log().len(), s.figures.errors()), (10, 10, 1), "the store alone");
    s.store.set(Does::Loses(Loss::Timeout));
    s.append(10..20);
    s.tend_until("the others", |s| s.told.now().1 == [Loss::Timeout; 10]);
}

#[test]
fn a_record_that_the_store_never_takes_holds_the_others_up_for_a_while_only() {
    let dir = tempfile::tempdir().unwrap();
    let mut s = open(&config(&dir, ByteSize::mib(1)), &FakeStore::new());
    s.store.0.lock().unwrap().poison = Some(3);
    s.health.away("gone");
    s.append(0..5);
    s.health.up();
    s.drained();
    assert_eq!((s.store.log(), s.figures.undeliverable(), s.figures.delivered()), (vec![0, 1, 2, 4], 1, 4));
}

#[test]
fn one_process_at_a_time_uses_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir, ByteSize::mib(1));
    let first = open(&config, &FakeStore::new());
    let error = Disk::open(&config, Arc::default()).unwrap_err();
    assert!(error.is_configuration() && error.to_string().contains("another process uses it"), "{error}");
    drop(first);
    assert!(Disk::open(&config, Arc::default()).is_ok());
    std::fs::write(dir.path().join("file"), "").unwrap();
    let error = Disk::open(&SpoolConfig { dir: dir.path().join("file/spool"), ..config }, Arc::default()).unwrap_err();
    assert!(error.to_string().contains("check the path"), "{error}");
}

#[test]
fn what_is_kept_is_nobody_elses_to_read() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir, ByteSize::mib(1));
    let mut s = open(&config, &FakeStore::new());
    s.store.set(Does::Keeps);
    s.health.away("gone");
    s.append(0..5);
    assert_eq!(s.health.get().0, StoreState::Down);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&config.dir), 0o700);
    for file in std::fs::read_dir(&config.dir).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
}
