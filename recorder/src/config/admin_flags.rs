//! Settings of the admin listener.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};
use umbra_common::config::secret;

use super::ConfigError;

const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9901);

/// A shorter token can be guessed.
const SHORTEST_TOKEN: usize = 16;

/// Where operators connect, and what they need to show.
#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct AdminFlags {
    /// Where operators connect: /livez /readyz /metrics /status /rules /recording /drain [default: 127.0.0.1:9901]
    #[arg(long, env = "UMBRA_ADMIN", value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin: Option<SocketAddr>,

    /// What operators show as `Authorization: Bearer …`, except to probes and metrics: env:NAME or file:PATH
    #[arg(long, env = "UMBRA_ADMIN_TOKEN", value_name = "SECRET")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_token: Option<String>,
}

impl AdminFlags {
    /// Where operators connect.
    pub fn address(&self) -> SocketAddr {
        self.admin.unwrap_or(ADMIN)
    }
}

/// The admin listener's settings.
#[derive(Clone)]
pub struct Admin {
    /// Where operators connect.
    pub addr: SocketAddr,
    /// Where the token comes from, and the token itself; none is asked for where this is absent.
    token: Option<(String, String)>,
}

impl Admin {
    pub(super) fn new(flags: AdminFlags) -> Result<Self, ConfigError> {
        let addr = flags.address();
        let token = flags.admin_token.map(token).transpose()?;
        if token.is_none() && !addr.ip().to_canonical().is_loopback() {
            let why = "others than this host reach it: give --admin-token env:NAME or file:PATH, or a loopback address";
            return Err(ConfigError::Value { flag: "admin", value: addr.to_string(), why: why.into() });
        }
        Ok(Self { addr, token })
    }

    /// What operators have to show, if anything.
    pub fn token(&self) -> Option<&str> {
        self.token.as_ref().map(|(_, token)| token.as_str())
    }

    /// Where the token comes from.
    pub fn token_source(&self) -> Option<&str> {
        self.token.as_ref().map(|(source, _)| source.as_str())
    }
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").field("addr", &self.addr).field("token", &self.token_source()).finish()
    }
}

fn token(source: String) -> Result<(String, String), ConfigError> {
    let wrong = |value: &str, why: String| ConfigError::Value { flag: "admin-token", value: value.to_owned(), why };
    if !source.starts_with("env:") && !source.starts_with("file:") {
        // The value is a secret, so it is not said again.
        return Err(wrong("***", "must not stand on a command line or in a file: give env:NAME or file:PATH".into()));
    }
    let token = secret("admin-token", &source)?;
    if token.len() < SHORTEST_TOKEN || !token.bytes().all(|b| b.is_ascii_graphic()) {
        let why = format!("holds no token: give at least {SHORTEST_TOKEN} bytes of visible ASCII");
        return Err(wrong(&source, why));
    }
    Ok((source, token))
}
