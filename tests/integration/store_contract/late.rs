//! Records that come hours late, out of a spool: windows find them, and only those windows read further.

use std::sync::Arc;
use std::time::Duration;

use umbra_common::exchange::Exchange;
use umbra_common::size::ByteSize;
use umbra_common::store::{SpoolConfig, StoreHealth, open_spooled};
use umbra_common::time::Timestamp;
use umbra_tests::chaos::{Chaos, Mode};
use umbra_tests::exchanges;
use umbra_tests::kafka::Kafka;
use umbra_tests::wait::{DEADLINE, eventually};

use super::fresh::{Fresh, records};
use super::tally::Tally;

/// One exchange each ten seconds.
fn every_10_s(from: Timestamp, count: u64, target: &str) -> Vec<Exchange> {
    (0..count).map(|i| exchanges::get(from.after(Duration::from_secs(10 * i)), target)).collect()
}

#[test]
fn a_window_has_what_came_into_the_log_hours_later() {
    let store = Fresh::kafka(2);
    store.make();
    let (host, port) = Kafka::shared().brokers().rsplit_once(':').unwrap();
    let chaos = Chaos::before_kafka(host, port.parse().unwrap());
    let mut through = store.config.clone();
    through.url =
        through.url.to_string().replace(Kafka::shared().brokers(), &chaos.addr().to_string()).parse().unwrap();
    through.kafka.insert("message.timeout.ms".into(), "1000".into());
    through.kafka.insert("reconnect.backoff.max.ms".into(), "200".into());

    let hours_ago = |hours: u64| Timestamp::now().before(Duration::from_secs(3600 * hours));
    let (began, ended) = (hours_ago(4), hours_ago(1));
    let folder = tempfile::tempdir().unwrap();
    let spool = SpoolConfig { dir: folder.path().join("spool"), limit: ByteSize::mib(16), mark: ByteSize::mib(1) };
    let tally = Tally::default();
    let health = Arc::new(StoreHealth::new());
    let (mut appender, figures) = open_spooled(&through, &spool, health).unwrap();
    chaos.set(Mode::Cut);
    let outage = every_10_s(began, 60, "/outage");
    let mut batch = records(&outage, &tally);
    eventually("everything in the spool", || {
        appender.append(&mut batch);
        appender.tend();
        tally.now().stored == 60
    });
    // The log goes on meanwhile, by another recorder.
    store.append(&every_10_s(hours_ago(3), 360, "/meanwhile"));
    store.append(&every_10_s(ended, 300, "/later"));
    chaos.set(Mode::Pass);
    eventually("an empty spool", || {
        appender.tend();
        figures.bytes() == 0
    });
    assert_eq!(figures.delivered(), 60);
    appender.close(DEADLINE);

    let window = |from: Timestamp, length: u64| {
        let mut exchanges = store.window(from, from.after(Duration::from_secs(length)));
        // Out of a spool at least once: what was not confirmed in time has come again.
        exchanges.dedup_by_key(|e| e.id);
        exchanges
    };
    assert_eq!(window(began, 600), outage);
    assert_eq!(window(began.after(Duration::from_secs(100)), 50), outage[10..15]);
    let elsewhere = store.plan(ended, ended.after(Duration::from_secs(100)));
    assert!(elsewhere.at_most() < 30, "a window that nothing late belongs to reads no further: {elsewhere:?}");
}
