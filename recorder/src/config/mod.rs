//! Settings: read once as [`Flags`], validated into a [`Config`] of ready types.

mod admin_flags;
mod dialing;
mod edge;
mod edge_flags;
mod flags;
mod listen_tls;
mod rules_flags;
mod spool_flags;
mod tunnels;
mod upstream;
mod validate;

pub use admin_flags::{Admin, AdminFlags};
pub use dialing::{Dialing, DialingFlags, UpstreamTls};
pub use edge::{EdgeConfig, ProxyProtocol};
pub use edge_flags::EdgeFlags;
pub use flags::Flags;
pub use listen_tls::{ListenTls, ListenTlsFlags};
pub use rules_flags::RulesFlags;
pub use spool_flags::SpoolFlags;
pub use tunnels::TunnelFlags;
pub use upstream::{Protocol, Upstream, UpstreamParseError};

pub use crate::rules::{Action, ClientAction, RedactText, RuleText, Words};

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use serde::{Deserialize, Serialize};
use umbra_common::fraction::Fraction;
use umbra_common::logs::LogFormat;
use umbra_common::size::ByteSize;
use umbra_common::store::{SpoolConfig, StoreConfig, StoreUrl};

use crate::rules::RulesSetting;

/// The recorder's settings, all of them valid.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// TLS towards them, where they have to speak it.
    pub tls: Option<ListenTls>,
    /// What becomes of their requests.
    pub mode: Mode,
    /// How connections to the upstream are made.
    pub dialing: Dialing,
    /// Where records go.
    pub store: StoreConfig,
    /// Where they wait while the store does not take them.
    pub spool: Option<SpoolConfig>,
    /// Which requests are recorded.
    pub sample: Sample,
    /// What is recorded of responses.
    pub responses: Responses,
    /// How much of one body is kept.
    pub body_limit: ByteSize,
    /// How much all records under way may hold together.
    pub memory_limit: ByteSize,
    /// Where rules come from, and what they say at the start.
    pub(crate) rules: RulesSetting,
    /// Where operators connect.
    pub admin: Admin,
    /// How many threads serve connections.
    pub workers: NonZeroUsize,
    /// The longest a drain takes.
    pub drain_timeout: Duration,
    /// The longest wait for the head of the upstream's response, once the request has gone out.
    pub upstream_timeout: Duration,
    /// What clients may send, and how long they may take.
    pub edge: EdgeConfig,
    /// How long a tunnel may pass nothing, where there is a limit.
    pub tunnel_timeout: Option<Duration>,
    /// The name that records carry for this instance.
    pub instance: Arc<str>,
    /// How log lines look.
    pub log_format: LogFormat,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It goes to the upstream.
    Forward(Upstream),
    /// It is answered here: another proxy's mirror sent it.
    Sink,
}

/// Which requests are recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// How many of them.
    pub fraction: Fraction,
    /// What is decided together.
    pub by: SampleBy,
}

/// What sampling decides on, so that all requests with the same key are recorded or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SampleBy {
    /// Each request by itself.
    Request,
    /// The client's address, without its port.
    Client,
    /// The value of a header.
    Header(HeaderName),
    /// The value of a cookie.
    Cookie(String),
}

/// A text that names no sampling key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is nothing to sample by: give request, client, header:NAME or cookie:NAME")]
pub struct SampleByParseError(String);

impl FromStr for SampleBy {
    type Err = SampleByParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || SampleByParseError(text.to_owned());
        match text.split_once(':') {
            None if text == "request" => Ok(Self::Request),
            None if text == "client" => Ok(Self::Client),
            Some(("header", name)) => name.parse().map(Self::Header).map_err(|_| bad()),
            // A cookie's name is a token, like a header's (RFC 6265, 4.1.1), but its case counts.
            Some(("cookie", name)) if HeaderName::from_str(name).is_ok() => Ok(Self::Cookie(name.to_owned())),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for SampleBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request => f.write_str("request"),
            Self::Client => f.write_str("client"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
        }
    }
}

/// What is recorded of responses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Responses {
    /// Nothing.
    Off,
    /// Status, header, trailers and times.
    #[default]
    Head,
    /// The body too.
    Full,
}

impl fmt::Display for Responses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Head => "head",
            Self::Full => "full",
        })
    }
}

/// A setting that is missing or wrong.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file, or a secret that it points to.
    #[error(transparent)]
    File(#[from] umbra_common::config::ConfigError),
    /// No `--store`.
    #[error("no --store: give sqlite:FILE or kafka://HOST:PORT/TOPIC")]
    NoStore,
    /// Neither `--upstream` nor `--sink`.
    #[error("no --upstream: give the service's URL, as in http://127.0.0.1:3000, or --sink to answer here")]
    NoUpstream,
    /// Both `--upstream` and `--sink`.
    #[error("--upstream {0} and --sink exclude each other: a sink forwards nothing")]
    UpstreamAndSink(String),
    /// A value that cannot work.
    #[error("--{flag} {value}: {why}")]
    Value {
        /// The flag, without dashes.
        flag: &'static str,
        /// The value as given.
        value: String,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// Rules in the configuration file, or redaction on the command line.
    #[error("{0}")]
    Rules(String),
}

impl Config {
    /// The upstream as configured; `sink` where there is none.
    pub fn upstream_name(&self) -> String {
        match &self.mode {
            Mode::Forward(upstream) => upstream.to_string(),
            Mode::Sink => "sink".to_owned(),
        }
    }

    /// The store as an operator may see it: without any property, since those can be secrets.
    pub fn store_url(&self) -> &StoreUrl {
        &self.store.url
    }

    /// What is redacted of records, on one line; how many rules there are.
    pub fn rules_summary(&self) -> Result<String, ConfigError> {
        let live = self.rules.start().map_err(|error| validate::wrong_rules(&self.rules, &error))?;
        let rules = match live.list().count() - 1 {
            0 => String::new(),
            1 => "1 rule; ".to_owned(),
            count => format!("{count} rules; "),
        };
        Ok(format!("{rules}{}", live.redactor()))
    }
}

/// The effective settings as `--check` prints them, in the grammar of the configuration file.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use umbra_common::time::HumanDuration;
        writeln!(f, "listen = \"{}\"", self.listen)?;
        match &self.mode {
            Mode::Forward(upstream) => writeln!(f, "upstream = \"{upstream}\"")?,
            Mode::Sink => writeln!(f, "sink = true")?,
        }
        if let Some(tls) = &self.tls {
            write!(f, "{tls}")?;
        }
        write!(f, "{}", self.dialing)?;
        writeln!(f, "sample = \"{}\"", self.sample.fraction)?;
        writeln!(f, "sample-by = \"{}\"", self.sample.by)?;
        writeln!(f, "responses = \"{}\"", self.responses)?;
        writeln!(f, "body-limit = \"{}\"", self.body_limit)?;
        writeln!(f, "memory-limit = \"{}\"", self.memory_limit)?;
        writeln!(f, "admin = \"{}\"", self.admin.addr)?;
        if let Some(source) = self.admin.token_source() {
            writeln!(f, "admin-token = \"{source}\"")?;
        }
        writeln!(f, "workers = {}", self.workers)?;
        writeln!(f, "drain-timeout = \"{}\"", HumanDuration(self.drain_timeout))?;
        writeln!(f, "upstream-timeout = \"{}\"", HumanDuration(self.upstream_timeout))?;
        write!(f, "{}", self.edge)?;
        let tunnel_timeout = HumanDuration(self.tunnel_timeout.unwrap_or_default());
        writeln!(f, "tunnel-timeout = \"{tunnel_timeout}\"")?;
        writeln!(f, "instance = \"{}\"", self.instance)?;
        writeln!(f, "log-format = \"{}\"", if self.log_format == LogFormat::Json { "json" } else { "text" })?;
        if let Some(spool) = &self.spool {
            writeln!(f, "spool = {:?}", spool.dir.display().to_string())?;
            writeln!(f, "spool-limit = \"{}\"", spool.limit)?;
        }
        self.rules.write_head(f)?;
        writeln!(f, "\n[store]\nurl = \"{}\"", self.store_url())?;
        if !self.store.kafka.is_empty() {
            writeln!(f, "\n[store.kafka]")?;
            // Values can be secrets.
            self.store.kafka.keys().try_for_each(|name| writeln!(f, "\"{name}\" = \"***\""))?;
        }
        self.rules.write_blocks(f)
    }
}

#[cfg(test)]
mod tests;
