//! The flags of the admin listener.

use std::net::SocketAddr;

use clap::Args;
use serde::{Deserialize, Serialize};
use umbra_common::config::secret;

use super::ConfigError;
use crate::command::{AdminConfig, AdminToken};

/// Where the run can be watched and controlled, and by whom.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct AdminFlags {
    /// Serve /livez, /readyz, /metrics and /status here, and take /pause, /resume, /rate and /stop.
    #[arg(long, env = "UMBRA_ADMIN", value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin: Option<SocketAddr>,
    /// The bearer token that the admin listener asks for, as env:NAME or file:PATH; needed where it listens on more than
    /// loopback.
    #[arg(long, env = "UMBRA_ADMIN_TOKEN", value_name = "env:NAME|file:PATH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_token: Option<String>,
}

impl AdminFlags {
    /// Reads the token. Whoever can reach the listener can stop the run, so beyond loopback there has to be one.
    pub(super) fn resolve(self) -> Result<Option<AdminConfig>, ConfigError> {
        let Some(address) = self.admin else {
            return match self.admin_token {
                Some(_) => Err(ConfigError::Unused("--admin-token", "there is no --admin listener")),
                None => Ok(None),
            };
        };
        let token = match self.admin_token {
            Some(from) if !(from.starts_with("env:") || from.starts_with("file:")) => {
                return Err(ConfigError::PlainToken);
            }
            Some(from) => {
                let token = secret("--admin-token", &from)?;
                if token.trim().is_empty() {
                    return Err(ConfigError::EmptyToken(from));
                }
                Some(AdminToken::new(token.trim()))
            }
            None if address.ip().is_loopback() => None,
            None => return Err(ConfigError::OpenAdmin(address)),
        };
        Ok(Some(AdminConfig { address, token }))
    }
}
