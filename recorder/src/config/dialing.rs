//! How the upstream is reached: TLS, time, names.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use umbra_common::dial::{TlsClient, TlsError, TlsSettings};
use umbra_common::time::HumanDuration;

use super::listen_tls::identity;
use super::validate::positive;
use super::{ConfigError, Mode, Protocol, Upstream};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";

/// What becomes a [`Dialing`].
#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
#[command(next_help_heading = "The way to the upstream")]
#[serde(default, rename_all = "kebab-case")]
pub struct DialingFlags {
    /// The authorities (PEM) that an https:// upstream's certificate has to be from [default: those the system trusts]
    #[arg(long, env = "UMBRA_UPSTREAM_CA", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_ca: Option<PathBuf>,

    /// The certificate chain (PEM) that is shown to an https:// upstream that asks for one
    #[arg(long, env = "UMBRA_UPSTREAM_CERT", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_cert: Option<PathBuf>,

    /// The private key (PEM) of the first certificate in --upstream-cert
    #[arg(long, env = "UMBRA_UPSTREAM_KEY", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_key: Option<PathBuf>,

    /// The name that an https:// upstream is asked for and its certificate has to be for [default: the URL's host]
    #[arg(long, env = "UMBRA_UPSTREAM_SERVER_NAME", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_server_name: Option<String>,

    /// The longest wait for a connection to the upstream: its name, all addresses that are tried, and TLS [default: 5s]
    #[arg(long, env = "UMBRA_CONNECT_TIMEOUT", value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<HumanDuration>,

    /// A name server to ask instead of the system's
    #[arg(long, env = "UMBRA_DNS_SERVER", value_name = "ADDRESS:PORT", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_server: Vec<SocketAddr>,
}

/// How connections to the upstream are made.
#[derive(Clone, Debug)]
pub struct Dialing {
    /// TLS, for an https:// upstream.
    pub tls: Option<UpstreamTls>,
    /// The longest wait for a connection.
    pub timeout: Duration,
    /// Name servers; the system's where there are none.
    pub dns_servers: Vec<SocketAddr>,
}

/// TLS towards the upstream.
#[derive(Clone, Debug)]
pub struct UpstreamTls {
    /// What it was made from.
    pub settings: TlsSettings,
    /// The name in place of the URL's host.
    pub server_name: Option<String>,
    /// Offers HTTP/1.1 alone: for what came by it.
    pub http1: TlsClient,
    /// Offers HTTP/2 first.
    pub http2: TlsClient,
}

impl DialingFlags {
    pub(super) fn into_config(self, mode: &Mode) -> Result<Dialing, ConfigError> {
        let timeout = positive("connect-timeout", self.connect_timeout.map_or(CONNECT_TIMEOUT, |d| d.0))?;
        let dns_servers = self.dns_server.clone();
        let tls = match mode {
            Mode::Forward(upstream) if upstream.protocol == Protocol::Https => Some(self.tls(upstream)?),
            _ => {
                self.no_tls()?;
                None
            }
        };
        Ok(Dialing { tls, timeout, dns_servers })
    }

    /// What is for TLS alone would otherwise be given for nothing.
    fn no_tls(&self) -> Result<(), ConfigError> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|p| p.display().to_string());
        let given = [
            ("upstream-ca", path(&self.upstream_ca)),
            ("upstream-cert", path(&self.upstream_cert)),
            ("upstream-key", path(&self.upstream_key)),
            ("upstream-server-name", self.upstream_server_name.clone()),
        ];
        match given.into_iter().find_map(|(flag, value)| Some((flag, value?))) {
            None => Ok(()),
            Some((flag, value)) => {
                let why =
                    "only an https:// upstream is spoken TLS to: give such an --upstream, or leave this out".into();
                Err(ConfigError::Value { flag, value, why })
            }
        }
    }

    fn tls(self, upstream: &Upstream) -> Result<UpstreamTls, ConfigError> {
        let identity = identity(("upstream-cert", self.upstream_cert), ("upstream-key", self.upstream_key))?;
        let settings = TlsSettings { ca: self.upstream_ca, identity, insecure: false };
        let name = self.upstream_server_name.as_deref().unwrap_or(upstream.host());
        let (flag, given) = match &self.upstream_server_name {
            Some(name) => ("upstream-server-name", name.clone()),
            None => ("upstream", upstream.to_string()),
        };
        let client = |alpn: &[&[u8]]| TlsClient::new(settings.client(alpn)?, name);
        let clients = client(&[HTTP1]).and_then(|http1| Ok((http1, client(&[HTTP2, HTTP1])?)));
        let (http1, http2) = clients.map_err(|error| blame(&settings, &error, flag, given))?;
        Ok(UpstreamTls { http1, http2, settings, server_name: self.upstream_server_name })
    }
}

/// The flag that an error is about.
fn blame(settings: &TlsSettings, error: &TlsError, name_flag: &'static str, name: String) -> ConfigError {
    let path = error.path();
    let is_key = settings.identity.as_ref().is_some_and(|identity| path == Some(identity.key.as_path()));
    let (flag, value) = match path {
        None => (name_flag, name),
        Some(path) if is_key => ("upstream-key", path.display().to_string()),
        Some(path) if settings.ca.as_deref() == Some(path) => ("upstream-ca", path.display().to_string()),
        Some(path) => ("upstream-cert", path.display().to_string()),
    };
    ConfigError::Value { flag, value, why: error.to_string() }
}

impl fmt::Display for Dialing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tls) = &self.tls {
            if let Some(ca) = &tls.settings.ca {
                writeln!(f, "upstream-ca = {ca:?}")?;
            }
            if let Some(identity) = &tls.settings.identity {
                writeln!(f, "upstream-cert = {:?}\nupstream-key = {:?}", identity.cert, identity.key)?;
            }
            if let Some(name) = &tls.server_name {
                writeln!(f, "upstream-server-name = {name:?}")?;
            }
        }
        writeln!(f, "connect-timeout = \"{}\"", HumanDuration(self.timeout))?;
        if !self.dns_servers.is_empty() {
            let servers: Vec<_> = self.dns_servers.iter().map(ToString::to_string).collect();
            writeln!(f, "dns-server = {servers:?}")?;
        }
        Ok(())
    }
}
