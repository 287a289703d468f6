//! Why there is no connection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::resolve::ResolveError;

/// Why there is no connection. Nothing was sent to anyone but the handshake's own bytes.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name has no address.
    #[error(transparent)]
    Name(#[from] ResolveError),
    /// Nobody listens there.
    #[error("{0} refuses connections")]
    Refused(SocketAddr),
    /// No connection came about.
    #[error("no connection to {address}: {source}")]
    Connect {
        /// The address that was tried.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The TLS handshake did not succeed.
    #[error("the TLS handshake with {address} for {name} failed: {why}")]
    Handshake {
        /// The address that was tried.
        address: SocketAddr,
        /// The name that the certificate has to be for.
        name: String,
        /// Why.
        why: String,
    },
    /// It took too long.
    #[error("no connection to {to} within {limit:?}")]
    TimedOut {
        /// Host and port, or the part of it that did not come.
        to: String,
        /// The limit.
        limit: Duration,
    },
}

impl DialError {
    pub(super) fn connect(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused(address),
            _ => Self::Connect { address, source },
        }
    }

    /// Whether time was what failed.
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::TimedOut { .. } => true,
            Self::Connect { source, .. } => source.kind() == io::ErrorKind::TimedOut,
            _ => false,
        }
    }
}
