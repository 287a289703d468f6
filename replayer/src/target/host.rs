//! Which authority the target sees.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use http::HeaderValue;
use umbra_common::shadow_host;

use crate::text::serde_as_text;

/// What becomes of the recorded Host or `:authority`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HostPolicy {
    /// With `-shadow` before the port, as Envoy's mirror does.
    #[default]
    Envoy,
    /// As recorded.
    Preserve,
    /// The target's own.
    Target,
    /// This one.
    Literal(HeaderValue),
}

impl HostPolicy {
    /// The authority to send, for a recorded one and the target's.
    pub fn apply(&self, recorded: &Bytes, target: &Bytes) -> Bytes {
        match self {
            Self::Envoy => shadow_host::add(recorded).into(),
            Self::Preserve => recorded.clone(),
            Self::Target => target.clone(),
            Self::Literal(host) => Bytes::copy_from_slice(host.as_bytes()),
        }
    }
}

/// A text that is no host policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostPolicyParseError {
    /// An unknown word.
    #[error("'{0}' is no host policy: give envoy, preserve, target or literal:HOST")]
    Form(String),
    /// `literal:` with what no Host field can hold.
    #[error("'{0}' is no host: give literal:HOST[:PORT]")]
    Literal(String),
}

impl FromStr for HostPolicy {
    type Err = HostPolicyParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "envoy" => Ok(Self::Envoy),
            "preserve" => Ok(Self::Preserve),
            "target" => Ok(Self::Target),
            _ => {
                let host = text.strip_prefix("literal:").ok_or_else(|| HostPolicyParseError::Form(text.to_owned()))?;
                let bad = || HostPolicyParseError::Literal(host.to_owned());
                host.parse::<http::uri::Authority>().map_err(|_| bad())?;
                HeaderValue::from_str(host).map(Self::Literal).map_err(|_| bad())
            }
        }
    }
}

impl fmt::Display for HostPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Envoy => f.write_str("envoy"),
            Self::Preserve => f.write_str("preserve"),
            Self::Target => f.write_str("target"),
            Self::Literal(host) => write!(f, "literal:{}", host.to_str().unwrap_or_default()),
        }
    }
}

serde_as_text!(HostPolicy);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_has_its_authority() {
        let (recorded, target) = (Bytes::from_static(b"api.example.com:8443"), Bytes::from_static(b"127.0.0.1:80"));
        for (policy, host) in [
            ("envoy", "api.example.com-shadow:8443"),
            ("preserve", "api.example.com:8443"),
            ("target", "127.0.0.1:80"),
            ("literal:x.test:1", "x.test:1"),
        ] {
            let policy_read: HostPolicy = policy.parse().unwrap();
            assert_eq!(policy_read.apply(&recorded, &target), host.as_bytes());
            assert_eq!(policy_read.to_string(), policy);
        }
        assert!("shadow".parse::<HostPolicy>().unwrap_err().to_string().contains("give envoy, preserve"));
        assert!("literal:".parse::<HostPolicy>().is_err());
        assert!("literal:a b".parse::<HostPolicy>().unwrap_err().to_string().contains("'a b' is no host"));
    }
}
