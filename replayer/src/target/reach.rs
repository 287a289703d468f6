//! How targets are connected to: names, TLS, and how long each phase may take.

use std::time::Duration;

use umbra_common::dial::{Pinned, TlsClient, TlsError, TlsSettings};

use super::{TargetScheme, TargetUrl};

/// How targets are connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Whom to trust behind `https://`, and what to show to it.
    pub tls: TlsSettings,
    /// Addresses that are given for names.
    pub pinned: Vec<Pinned>,
    /// The longest a connection may take, with its name and its TLS.
    pub connect_timeout: Duration,
    /// From the request to the head of its answer; as long as the whole where absent.
    pub response_timeout: Option<Duration>,
}

/// A lost SYN is sent again after one second and after three; what has not answered then is not there.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

impl Default for Reach {
    fn default() -> Self {
        Self {
            tls: TlsSettings::default(),
            pinned: Vec::new(),
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            response_timeout: None,
        }
    }
}

/// TLS to one target, for each protocol: what is offered is what will be spoken.
#[derive(Clone, Debug)]
pub(super) struct TargetTls {
    pub(super) h1: TlsClient,
    pub(super) h2: TlsClient,
}

impl Reach {
    /// Checks that TLS to a target can be set up as asked: reads the files, and takes the name.
    pub fn check(&self, url: &TargetUrl) -> Result<(), TlsError> {
        self.tls_to(url).map(drop)
    }

    /// Nothing where the target has no TLS.
    pub(super) fn tls_to(&self, url: &TargetUrl) -> Result<Option<TargetTls>, TlsError> {
        if url.scheme != TargetScheme::Https {
            return Ok(None);
        }
        let client = |alpn: &[u8]| TlsClient::new(self.tls.client(&[alpn])?, &url.host);
        Ok(Some(TargetTls { h1: client(b"http/1.1")?, h2: client(b"h2")? }))
    }
}
