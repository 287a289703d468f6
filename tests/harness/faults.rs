//! What can go wrong with a store, done to a real one: for the tests, and for the bench that measures what it costs.

use std::path::{Path, PathBuf};
use std::process::Command;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rusqlite::Connection;
use tempfile::TempDir;
use umbra_common::store::{KafkaUrl, StoreUrl};

use crate::certificates::Authority;
use crate::chaos::{Chaos, Mode};
use crate::guard::Guard;
use crate::kafka::{Broker, Kafka, Password, SecuredBroker, USER};

/// One way for a store to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The broker's process is gone.
    BrokerKilled,
    /// It is stopped: connections stay open, and nothing is answered.
    BrokerPaused,
    /// Everything sent to it disappears on the way.
    BlackHole,
    /// 10 KiB a second pass.
    Throttled,
    /// Somebody deletes the topic.
    TopicDeleted,
    /// Somebody lowers the topic's limit of a message below the records.
    TooLarge,
    /// The password is no longer right.
    AuthenticationRefused,
    /// SQLite's disk is full.
    DiskFull,
    /// SQLite's file is deleted.
    FileDeleted,
    /// Another process keeps SQLite's file locked.
    Locked,
}

impl Fault {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::BrokerKilled,
        Self::BrokerPaused,
        Self::BlackHole,
        Self::Throttled,
        Self::TopicDeleted,
        Self::TooLarge,
        Self::AuthenticationRefused,
        Self::DiskFull,
        Self::FileDeleted,
        Self::Locked,
    ];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::BrokerKilled => "Kafka: broker killed",
            Self::BrokerPaused => "Kafka: broker paused (SIGSTOP)",
            Self::BlackHole => "Kafka: black-holed",
            Self::Throttled => "Kafka: throttled to 10 KiB/s",
            Self::TopicDeleted => "Kafka: topic deleted",
            Self::TooLarge => "Kafka: messages too large",
            Self::AuthenticationRefused => "Kafka: authentication refused",
            Self::DiskFull => "SQLite: disk full",
            Self::FileDeleted => "SQLite: file deleted",
            Self::Locked => "SQLite: locked by another process",
        }
    }
}

/// A store that works until it is told not to.
pub struct FaultyStore {
    fault: Fault,
    // Before the folder: what is mounted there goes first.
    with: With,
    folder: TempDir,
}

enum With {
    Own(Box<Broker>, StoreUrl),
    Proxied(Chaos, StoreUrl),
    Topic(StoreUrl),
    Secured(Box<Secured>),
    File(PathBuf),
    Mounted { file: PathBuf, filler: PathBuf, _mount: Guard },
    Lockable(PathBuf, Option<Connection>),
}

/// A broker that asks for a password, with what lets a client in.
struct Secured {
    broker: SecuredBroker,
    authority: Authority,
    password: Password,
    url: String,
}

impl FaultyStore {
    /// A new one that will have this fault.
    pub fn new(fault: Fault) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("traffic.db");
        let with = match fault {
            Fault::BrokerKilled | Fault::BrokerPaused => {
                let broker = Box::new(Broker::start());
                let url = broker.topic("faults");
                With::Own(broker, url)
            }
            Fault::BlackHole | Fault::Throttled => {
                let (host, port) = Kafka::shared().brokers().rsplit_once(':').unwrap();
                let chaos = Chaos::before_kafka(host, port.parse().unwrap());
                let url = Kafka::shared().topic("faults").to_string();
                let url = url.replace(Kafka::shared().brokers(), &chaos.addr().to_string());
                With::Proxied(chaos, url.parse().unwrap())
            }
            Fault::TopicDeleted | Fault::TooLarge => With::Topic(Kafka::shared().topic("faults")),
            Fault::AuthenticationRefused => {
                let (authority, password) = (Authority::new(), Password::new());
                let broker = SecuredBroker::start(&authority, &password);
                let url = broker.topic("SASL_PLAINTEXT", "faults");
                With::Secured(Box::new(Secured { broker, authority, password, url }))
            }
            Fault::DiskFull => {
                let disk = folder.path().join("disk");
                let mount = mount(&disk);
                With::Mounted { file: disk.join("traffic.db"), filler: disk.join("filler"), _mount: mount }
            }
            Fault::FileDeleted => With::File(file),
            Fault::Locked => With::Lockable(file, None),
        };
        Self { fault, with, folder }
    }

    /// What `--store` takes.
    pub fn url(&self) -> String {
        match &self.with {
            With::Own(_, url) | With::Proxied(_, url) | With::Topic(url) => url.to_string(),
            With::Secured(secured) => secured.url.clone(),
            With::File(file) | With::Lockable(file, _) | With::Mounted { file, .. } => {
                format!("sqlite:{}", file.display())
            }
        }
    }

    /// A configuration file with the store in it, for a recorder that gives a record up after two seconds.
    pub fn config(&self) -> PathBuf {
        let path = self.folder.path().join("recorder.toml");
        let mut text = format!("[store]\nurl = '{}'\n", self.url());
        if self.url().starts_with("kafka:") {
            text += "[store.kafka]\nmessage.timeout.ms = 2000\nreconnect.backoff.max.ms = 500\n";
        }
        if let With::Secured(secured) = &self.with {
            text += "security.protocol = 'SASL_PLAINTEXT'\n";
            text += &format!(
                "sasl.mechanism = 'PLAIN'\nsasl.username = '{USER}'\nsasl.password = '{}'\n",
                secured.password.0
            );
        }
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The fault begins.
    pub fn break_it(&mut self) {
        match &mut self.with {
            With::Own(broker, _) if self.fault == Fault::BrokerPaused => broker.pause(),
            With::Own(broker, _) => broker.stop(),
            With::Proxied(chaos, _) if self.fault == Fault::BlackHole => chaos.set(Mode::BlackHole),
            With::Proxied(chaos, _) => chaos.set(Mode::Throttle(10 << 10)),
            With::Topic(url) if self.fault == Fault::TopicDeleted => delete_topic(url),
            With::Topic(url) => limit_messages(url, "700"),
            With::Secured(secured) => secured.broker.change(&secured.authority, &Password::new()),
            With::Mounted { filler, .. } => fill(filler),
            With::File(file) => {
                for name in ["traffic.db", "traffic.db-wal", "traffic.db-shm"] {
                    // The log beside it is there only while it is used.
                    let _ = std::fs::remove_file(file.with_file_name(name));
                }
            }
            With::Lockable(file, lock) => {
                let other = Connection::open(file).unwrap();
                other.busy_timeout(crate::wait::DEADLINE).unwrap();
                other.execute_batch("BEGIN IMMEDIATE").unwrap();
                *lock = Some(other);
            }
        }
    }

    /// The cause is removed. Nothing else is done: whatever used the store has to find that out.
    pub fn mend(&mut self) {
        match &mut self.with {
            With::Own(broker, _) if self.fault == Fault::BrokerPaused => broker.resume(),
            With::Own(broker, _) => broker.restart(),
            With::Proxied(chaos, _) => chaos.set(Mode::Pass),
            With::Topic(url) if self.fault == Fault::TooLarge => limit_messages(url, "1048588"),
            With::Secured(secured) => {
                let Secured { broker, authority, password, .. } = &mut **secured;
                broker.change(authority, password);
            }
            With::Mounted { filler, .. } => std::fs::remove_file(filler).unwrap(),
            // A recorder makes both anew.
            With::Topic(_) | With::File(_) => {}
            With::Lockable(_, lock) => drop(lock.take()),
        }
    }
}

fn admin(url: &KafkaUrl) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", &url.brokers).create().unwrap()
}

fn kafka(url: &StoreUrl) -> &KafkaUrl {
    let StoreUrl::Kafka(url) = url else { panic!("{url} is no topic") };
    url
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn delete_topic(url: &StoreUrl) {
    let url = kafka(url);
    run(admin(url).delete_topics(&[&url.topic], &AdminOptions::new())).unwrap().remove(0).unwrap();
}

fn limit_messages(url: &StoreUrl, bytes: &str) {
    let url = kafka(url);
    let limit = AlterConfig::new(ResourceSpecifier::Topic(&url.topic)).set("max.message.bytes", bytes);
    run(admin(url).alter_configs([&limit], &AdminOptions::new())).unwrap().remove(0).unwrap();
}

/// A disk that what a bench records before and after the fault fits on. It is unmounted when the guard is dropped, or this process ends.
fn mount(at: &Path) -> Guard {
    std::fs::create_dir(at).unwrap();
    let status = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256m", "tmpfs"]).arg(at).status().unwrap();
    assert!(status.success(), "a small disk cannot be mounted at {}: run the tests as root", at.display());
    Guard::start("cat >/dev/null; umount -l \"$1\"", [at])
}

/// Until nothing more fits.
fn fill(file: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(file).unwrap();
    // Large steps first, then the page that is left.
    for step in [1 << 20, 4096] {
        while file.write_all(&vec![0; step]).is_ok() {}
    }
}
