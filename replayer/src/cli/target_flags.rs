//! The flags about how targets are connected to.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};
use umbra_common::dial::{Identity, Pinned, TlsSettings};
use umbra_common::time::HumanDuration;

use super::ConfigError;
use crate::target::{BreakAfter, DEFAULT_CONNECT_TIMEOUT, Reach, Target, TargetScheme, Weight};

/// How targets are connected to.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct TargetFlags {
    /// Trust the certificates of this PEM file, instead of the system's, behind https:// targets.
    #[arg(long, env = "UMBRA_TARGET_CA", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_ca: Option<PathBuf>,
    /// The certificate (PEM, its chain behind it) that https:// targets are shown; needs --target-key.
    #[arg(long, env = "UMBRA_TARGET_CERT", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_cert: Option<PathBuf>,
    /// The private key (PEM) of --target-cert.
    #[arg(long, env = "UMBRA_TARGET_KEY", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_key: Option<PathBuf>,
    /// Take any certificate of any https:// target.
    #[arg(long, env = "UMBRA_INSECURE_TLS", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insecure_tls: Option<bool>,
    /// Connect to this address where a target has this host and port, instead of asking DNS.
    #[arg(long, env = "UMBRA_RESOLVE", value_name = "HOST:PORT:ADDRESS", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resolve: Vec<Pinned>,
    /// The longest a connection may take, its name and its TLS included [default: 5s, and no longer than --timeout].
    #[arg(long, env = "UMBRA_CONNECT_TIMEOUT", value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<HumanDuration>,
    /// The longest from a request to the head of its answer [default: as --timeout].
    #[arg(long, env = "UMBRA_RESPONSE_TIMEOUT", value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_timeout: Option<HumanDuration>,
    /// A target that has failed so often in a row is only probed until it answers; off, or a number [default: 100].
    #[arg(long, env = "UMBRA_BREAKER", value_name = "N|off")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakAfter>,
    /// Targets with a weight share the traffic: each session goes to one of them, by these parts.
    #[arg(long, env = "UMBRA_WEIGHT", value_name = "NAME=WEIGHT", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weight: Vec<Weight>,
}

const NO_TLS: &str = "no target is https://";

impl TargetFlags {
    /// The weights, each of one of the targets.
    pub(super) fn weights(&self, targets: &[Target]) -> Result<Vec<Weight>, ConfigError> {
        let weights = &self.weight;
        // A plan needs no targets.
        let is_known = |weight: &Weight| targets.is_empty() || targets.iter().any(|t| t.name == weight.target);
        if let Some(unknown) = weights.iter().find(|weight| !is_known(weight)) {
            return Err(ConfigError::WeightOfNobody(unknown.to_string()));
        }
        let is_twice = |(at, weight): (usize, &Weight)| weights[..at].iter().any(|w| w.target == weight.target);
        if weights.iter().enumerate().any(is_twice) {
            return Err(ConfigError::Unused("a second --weight for a target", "give each target one"));
        }
        if weights.len() == 1 {
            return Err(ConfigError::Unused("--weight for one target", "it shares with nobody: give others one too"));
        }
        Ok(weights.clone())
    }

    /// Checked against each other, against the targets, and against the files that they name.
    pub(super) fn resolve(self, targets: &[Target], timeout: Duration) -> Result<Reach, ConfigError> {
        let connect_timeout = within(self.connect_timeout, timeout, "--connect-timeout")?;
        let response_timeout = within(self.response_timeout, timeout, "--response-timeout")?;
        let insecure = self.insecure_tls.unwrap_or(false);
        if insecure && self.target_ca.is_some() {
            let why = "with the first, no certificate is checked";
            return Err(ConfigError::Contradiction("--insecure-tls", "--target-ca", why));
        }
        let given = [
            ("--target-ca", self.target_ca.is_some()),
            ("--target-cert", self.target_cert.is_some()),
            ("--target-key", self.target_key.is_some()),
            ("--insecure-tls", insecure),
        ];
        let is_tls = targets.iter().any(|target| target.url.scheme == TargetScheme::Https);
        if let Some((flag, _)) = given.iter().find(|(_, given)| *given && !is_tls) {
            return Err(ConfigError::Unused(flag, NO_TLS));
        }
        let meant = |pinned: &Pinned| targets.iter().any(|t| pinned.applies(&t.url.host, t.url.port).is_some());
        if !self.resolve.iter().all(meant) {
            return Err(ConfigError::Unused("--resolve", "no target has its host and port"));
        }
        let identity = match (self.target_cert, self.target_key) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some(Identity { cert, key }),
            (Some(_), None) => return Err(ConfigError::Missing("--target-key", "give the key of --target-cert")),
            (None, Some(_)) => {
                return Err(ConfigError::Missing("--target-cert", "give the certificate of --target-key"));
            }
        };
        let reach = Reach {
            tls: TlsSettings { ca: self.target_ca, identity, insecure },
            pinned: self.resolve,
            connect_timeout: connect_timeout.unwrap_or(DEFAULT_CONNECT_TIMEOUT),
            response_timeout,
        };
        for target in targets {
            reach.check(&target.url).map_err(|why| ConfigError::Tls(target.to_string(), why))?;
        }
        Ok(reach)
    }
}

/// A limit of a phase, within the limit of the whole.
fn within(given: Option<HumanDuration>, whole: Duration, flag: &'static str) -> Result<Option<Duration>, ConfigError> {
    match given.map(|given| given.0) {
        Some(Duration::ZERO) => Err(ConfigError::Zero(flag)),
        Some(limit) if limit > whole => {
            Err(ConfigError::PhaseTooLong(flag, HumanDuration(limit), HumanDuration(whole)))
        }
        limit => Ok(limit),
    }
}
