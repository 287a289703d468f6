//! Which protocol an exchange is sent in.

use std::fmt;
use std::str::FromStr;

use umbra_common::exchange::{HttpVersion, Request};

use super::TargetScheme;
use crate::text::serde_as_text;

/// What `--protocol` takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProtocolPolicy {
    /// HTTP/2 for what was recorded as HTTP/2 or is gRPC, HTTP/1.1 for the rest.
    #[default]
    Auto,
    /// HTTP/1.1 for everything.
    H1,
    /// HTTP/2 for everything.
    H2,
}

/// The protocol of one shadow request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1
    H1,
    /// HTTP/2 with prior knowledge.
    H2,
}

impl ProtocolPolicy {
    /// How to send a recorded request to a target of this scheme.
    pub fn choose(self, scheme: TargetScheme, request: &Request) -> Protocol {
        match (scheme, self) {
            (TargetScheme::H2c, _) | (_, Self::H2) => Protocol::H2,
            (_, Self::H1) => Protocol::H1,
            (_, Self::Auto) if request.version == HttpVersion::Http2 || request.is_grpc() => Protocol::H2,
            (_, Self::Auto) => Protocol::H1,
        }
    }
}

/// A text that is no protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no protocol: give auto, h1 or h2")]
pub struct ProtocolParseError(String);

impl FromStr for ProtocolPolicy {
    type Err = ProtocolParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "h1" => Ok(Self::H1),
            "h2" => Ok(Self::H2),
            _ => Err(ProtocolParseError(text.to_owned())),
        }
    }
}

impl fmt::Display for ProtocolPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::H1 => "h1",
            Self::H2 => "h2",
        })
    }
}

serde_as_text!(ProtocolPolicy);
