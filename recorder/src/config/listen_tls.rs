//! TLS towards clients: `--tls-cert` and `--tls-key`.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use umbra_common::dial::Identity;

use super::ConfigError;

/// What becomes a [`ListenTls`].
#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
#[command(next_help_heading = "TLS towards clients")]
#[serde(default, rename_all = "kebab-case")]
pub struct ListenTlsFlags {
    /// The certificate chain (PEM) that clients are shown; with it, --listen takes TLS only. Read again when it changes
    #[arg(long, env = "UMBRA_TLS_CERT", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_cert: Option<PathBuf>,

    /// The private key (PEM) of the first certificate in --tls-cert
    #[arg(long, env = "UMBRA_TLS_KEY", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
}

/// Who the recorder is to its clients.
#[derive(Clone, Debug)]
pub struct ListenTls {
    /// Its files.
    pub identity: Identity,
    /// What they held at the start.
    pub first: Arc<CertifiedKey>,
}

impl ListenTlsFlags {
    pub(super) fn into_config(self) -> Result<Option<ListenTls>, ConfigError> {
        let Some(identity) = identity(("tls-cert", self.tls_cert), ("tls-key", self.tls_key))? else { return Ok(None) };
        let first = identity.load().map_err(|error| {
            let about_key = error.path() == identity.key;
            let (flag, path) = if about_key { ("tls-key", &identity.key) } else { ("tls-cert", &identity.cert) };
            ConfigError::Value { flag, value: path.display().to_string(), why: error.to_string() }
        })?;
        Ok(Some(ListenTls { identity, first: Arc::new(first) }))
    }
}

/// A certificate and its key: both or neither.
pub(super) fn identity(
    cert: (&'static str, Option<PathBuf>),
    key: (&'static str, Option<PathBuf>),
) -> Result<Option<Identity>, ConfigError> {
    let missing = |flag, path: PathBuf, other| {
        let why = format!("it needs --{other} beside it: give both files");
        ConfigError::Value { flag, value: path.display().to_string(), why }
    };
    match (cert, key) {
        ((_, Some(cert)), (_, Some(key))) => Ok(Some(Identity { cert, key })),
        ((_, None), (_, None)) => Ok(None),
        ((flag, Some(path)), (other, None)) | ((other, None), (flag, Some(path))) => Err(missing(flag, path, other)),
    }
}

impl fmt::Display for ListenTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "tls-cert = {:?}", self.identity.cert)?;
        writeln!(f, "tls-key = {:?}", self.identity.key)
    }
}
