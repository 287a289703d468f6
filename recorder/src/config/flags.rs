//! The command line, the environment and the file: one struct for all three.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use umbra_common::config::{ConfigError, layer};
use umbra_common::fraction::Fraction;
use umbra_common::logs::LogFormat;
use umbra_common::size::ByteSize;
use umbra_common::store::StoreSetting;
use umbra_common::time::HumanDuration;

use super::admin_flags::AdminFlags;
use super::rules_flags::RulesFlags;
use super::{DialingFlags, EdgeFlags, ListenTlsFlags, Responses, SpoolFlags, TunnelFlags};

/// Records the HTTP and gRPC traffic of a service while it passes through.
///
/// Every flag is also a variable in the environment (UMBRA_SAMPLE_BY for --sample-by) and a key in the file that --config
/// names; a flag goes over the environment, the environment over the file.
#[derive(Clone, Debug, Default, clap::Parser, Serialize, Deserialize)]
#[command(name = "umbra-recorder", version)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Flags {
    /// Where clients connect [default: 0.0.0.0:8080]
    #[arg(long, env = "UMBRA_LISTEN", value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,

    /// The service that requests go to: http://HOST:PORT; https:// for TLS, h2c:// for HTTP/2 without TLS, auto:// for
    /// HTTP/2 or HTTP/1.1 without TLS, as the client came
    #[arg(long, env = "UMBRA_UPSTREAM", value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,

    /// Answers here instead of forwarding: takes the traffic that another proxy mirrors
    #[arg(long, env = "UMBRA_SINK", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sink: Option<bool>,

    /// Where records go: sqlite:FILE or kafka://HOST:PORT,HOST:PORT/TOPIC
    #[arg(long, env = "UMBRA_STORE", value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreSetting>,

    /// The share of requests that is recorded [default: 100%]
    #[arg(long, env = "UMBRA_SAMPLE", value_name = "PERCENT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<Fraction>,

    /// What is sampled together: request, client, header:NAME or cookie:NAME [default: request]
    #[arg(long, env = "UMBRA_SAMPLE_BY", value_name = "KEY")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_by: Option<String>,

    /// What is recorded of responses [default: head]
    #[arg(long, env = "UMBRA_RESPONSES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub responses: Option<Responses>,

    /// How much of one body is recorded; a longer one is marked as truncated [default: 1MiB]
    #[arg(long, env = "UMBRA_BODY_LIMIT", value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_limit: Option<ByteSize>,

    /// How much all records under way hold; what does not fit is not recorded, and counted [default: 128MiB]
    #[arg(long, env = "UMBRA_MEMORY_LIMIT", value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<ByteSize>,

    /// Masks the values of one more header; authorization, proxy-authorization, cookie, set-cookie and x-api-key are
    #[arg(long, env = "UMBRA_REDACT_HEADER", value_name = "NAME", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redact_header: Vec<String>,

    /// Records the values of a header that is masked otherwise
    #[arg(long, env = "UMBRA_KEEP_HEADER", value_name = "NAME", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keep_header: Vec<String>,

    /// Rules and redaction.
    #[command(flatten)]
    #[serde(flatten)]
    pub rules: RulesFlags,

    /// The admin listener.
    #[command(flatten)]
    #[serde(flatten)]
    pub admin: AdminFlags,

    /// How many threads serve connections [default: one for each core]
    #[arg(long, env = "UMBRA_WORKERS", value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<usize>,

    /// The longest a drain takes [default: 30s]
    #[arg(long, env = "UMBRA_DRAIN_TIMEOUT", value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_timeout: Option<HumanDuration>,

    /// The longest wait for the head of a response, once the request has gone out [default: 60s]
    #[arg(long, env = "UMBRA_UPSTREAM_TIMEOUT", value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_timeout: Option<HumanDuration>,

    #[command(flatten)]
    #[serde(flatten)]
    // A doc sentence would become a heading's text in --help.
    #[allow(missing_docs)]
    pub tunnels: TunnelFlags,

    /// The name that records carry for this recorder [default: the host's name]
    #[arg(long, env = "UMBRA_INSTANCE", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,

    /// TLS towards clients.
    #[command(flatten)]
    #[serde(flatten)]
    pub listen_tls: ListenTlsFlags,

    /// The way to the upstream.
    #[command(flatten)]
    #[serde(flatten)]
    pub dialing: DialingFlags,

    /// The edge's limits.
    #[command(flatten)]
    #[serde(flatten)]
    pub edge: EdgeFlags,

    /// Where records wait while the store does not take them.
    #[command(flatten)]
    #[serde(flatten)]
    pub spool: SpoolFlags,

    /// How log lines look: text or json [default: text]
    #[arg(long, env = "UMBRA_LOG_FORMAT", value_name = "FORMAT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_format: Option<LogFormat>,

    /// A TOML file with the same settings, by their flags' names
    #[arg(long, env = "UMBRA_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,

    /// Validates the settings, prints those in effect and exits
    #[arg(long)]
    #[serde(skip)]
    pub check: bool,

    /// Asks the recorder that runs on this host, by its --admin, whether it is ready, and exits with 0 or 1
    #[arg(long)]
    #[serde(skip)]
    pub probe: bool,
}

impl Flags {
    /// These settings over those of the file that `--config` names, if any.
    pub fn layered(self) -> Result<Self, ConfigError> {
        match &self.config {
            None => Ok(self),
            Some(file) => {
                let merged = layer(&self, file)?;
                Ok(Self { config: self.config, check: self.check, probe: self.probe, ..merged })
            }
        }
    }
}
