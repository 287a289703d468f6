//! What is measured: Umbra's recorder and its peers, each a process of its own with one worker thread, in front of the
//! same upstream.

mod envoy;
mod haproxy;
mod nginx;
mod umbra;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use clap::ValueEnum;

use crate::broker::Kafka;
use crate::running::{Running, find};
use crate::upstream::Upstream;

pub use umbra::Counts;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The recorder as a plain proxy: sampling at 0 %.
    #[value(name = "umbra-0")]
    UmbraOff,
    /// The recorder, everything recorded to SQLite.
    #[value(name = "umbra-sqlite")]
    UmbraSqlite,
    /// The recorder, everything recorded to Kafka.
    #[value(name = "umbra-kafka")]
    UmbraKafka,
    /// nginx as a plain proxy.
    Nginx,
    /// nginx which mirrors each request.
    NginxMirror,
    /// HAProxy as a plain proxy.
    Haproxy,
    /// Envoy as a plain proxy.
    Envoy,
    /// Envoy which mirrors each request.
    EnvoyMirror,
}

impl Kind {
    /// The program that must be installed; Umbra is built.
    pub fn needs(self) -> Option<&'static str> {
        match self {
            Self::UmbraOff | Self::UmbraSqlite | Self::UmbraKafka => None,
            Self::Nginx | Self::NginxMirror => Some("nginx"),
            Self::Haproxy => Some("haproxy"),
            Self::Envoy | Self::EnvoyMirror => Some("envoy"),
        }
    }

    /// Whether it keeps a record of every request.
    pub fn records(self) -> bool {
        matches!(self, Self::UmbraSqlite | Self::UmbraKafka)
    }

    /// Whether it can be measured here.
    pub fn is_installed(self) -> bool {
        self.needs().is_none_or(|program| find(program).is_some())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UmbraOff => "Umbra, recording 0 %",
            Self::UmbraSqlite => "Umbra, 100 % to SQLite",
            Self::UmbraKafka => "Umbra, 100 % to Kafka",
            Self::Nginx => "nginx",
            Self::NginxMirror => "nginx, mirroring 100 %",
            Self::Haproxy => "HAProxy",
            Self::Envoy => "Envoy",
            Self::EnvoyMirror => "Envoy, mirroring 100 %",
        })
    }
}

/// What all of them are started with.
#[derive(Clone, Copy, Debug)]
pub struct Stage<'a> {
    /// The recorder's program.
    pub recorder: &'a Path,
    /// What stands behind each.
    pub upstream: &'a Upstream,
    /// Where they keep what they write.
    pub dir: &'a Path,
}

/// One of them, running.
#[derive(Debug)]
pub struct Contender {
    /// Which.
    pub kind: Kind,
    /// Its process.
    pub running: Running,
    /// Where it takes HTTP/1.1.
    pub http1: SocketAddr,
    /// Where it takes HTTP/2 with prior knowledge.
    pub http2: SocketAddr,
    /// The recorder's admin address.
    admin: Option<SocketAddr>,
}

impl Contender {
    /// A recorder that records everything to `store`, in front of any server.
    pub fn recorder(program: &Path, store: &str, upstream: SocketAddr, dir: &Path) -> anyhow::Result<Self> {
        let mut contender = umbra::start(Kind::UmbraSqlite, ("100%", store), program, upstream, dir)?;
        contender.running.answers(contender.http1)?;
        Ok(contender)
    }

    /// Starts it and waits until it answers.
    pub fn start(kind: Kind, stage: Stage<'_>, kafka: Option<&Kafka>) -> anyhow::Result<Self> {
        let Stage { recorder, upstream, dir } = stage;
        let umbra = |sample: &str, store: &str| umbra::start(kind, (sample, store), recorder, upstream.production, dir);
        let mut contender = match kind {
            Kind::UmbraOff => umbra("0%", &umbra::sqlite(dir, "off")),
            Kind::UmbraSqlite => umbra("100%", &umbra::sqlite(dir, "all")),
            Kind::UmbraKafka => umbra("100%", &kafka.context("no Kafka to record to")?.topic()),
            Kind::Nginx | Kind::NginxMirror => nginx::start(kind, upstream, dir),
            Kind::Haproxy => haproxy::start(upstream, dir),
            Kind::Envoy | Kind::EnvoyMirror => envoy::start(kind, upstream, dir),
        }?;
        contender.running.answers(contender.http1)?;
        Ok(contender)
    }

    /// A recorder that sends Kafka what it has without gathering it: some thousand requests to the broker in a second.
    pub fn hasty(stage: Stage<'_>, kafka: &Kafka) -> anyhow::Result<Self> {
        let Stage { recorder, upstream, dir } = stage;
        let mut contender = umbra::start_hasty(&kafka.topic(), recorder, upstream.production, dir)?;
        contender.running.answers(contender.http1)?;
        Ok(contender)
    }

    /// The recorder's ledger once it has settled; nothing for peers.
    pub fn counts(&self) -> anyhow::Result<Option<Counts>> {
        self.admin.map(Counts::settled).transpose()
    }
}
