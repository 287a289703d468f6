//! TLS towards a server.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

use super::identity::{Identity, IdentityError};
use super::pem::{self, PemError};

/// What a program is told about the servers that it speaks TLS to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Whose certificates are trusted: those of this file instead of the system's.
    pub ca: Option<PathBuf>,
    /// What is shown to a server that asks for a certificate.
    pub identity: Option<Identity>,
    /// Takes any certificate for any name. The server still has to own the one it shows.
    pub insecure: bool,
}

/// Settings that TLS cannot work with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file with the trusted certificates.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The client's certificate and key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A certificate that is to be trusted is none.
    #[error("a certificate in {} cannot be trusted: {why}", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The system trusts nobody.
    #[error(
        "the system has no trusted certificates ({0}): install its package ca-certificates, or name a file of your own"
    )]
    NoRoots(String),
    /// No certificate can be for such a name.
    #[error("'{0}' is no name that a certificate can be for: give a host name or an IP address")]
    ServerName(String),
    /// The library refuses the settings.
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
}

impl TlsError {
    /// The file that is to blame, if one is.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Pem(error) => Some(error.path()),
            Self::Identity(error) => Some(error.path()),
            Self::Authority { path, .. } => Some(path),
            Self::NoRoots(_) | Self::ServerName(_) | Self::Library(_) => None,
        }
    }
}

/// The one provider of cryptography. Tests link others too, so none is taken from the process.
pub fn crypto() -> Arc<CryptoProvider> {
    static CRYPTO: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(CRYPTO.get_or_init(|| Arc::new(ring::default_provider())))
}

impl TlsSettings {
    /// The library's settings: TLS 1.2 and 1.3, offering the protocols `alpn`, the preferred one first.
    pub fn client(&self, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, TlsError> {
        let builder = ClientConfig::builder_with_provider(crypto()).with_safe_default_protocol_versions()?;
        let builder = if self.insecure {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(crypto())))
        } else {
            builder.with_root_certificates(self.roots()?)
        };
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.load()?))),
        };
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = &self.ca {
            for certificate in pem::certificates(path)? {
                let bad = |e: rustls::Error| TlsError::Authority { path: path.clone(), why: e.to_string() };
                roots.add(certificate).map_err(bad)?;
            }
            return Ok(roots);
        }
        let system = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(system.certs);
        if added == 0 {
            let why = system.errors.first().map_or("none was found".to_owned(), ToString::to_string);
            return Err(TlsError::NoRoots(why));
        }
        Ok(roots)
    }
}

/// TLS to one server.
#[derive(Clone)]
pub struct TlsClient {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl TlsClient {
    /// For a server whose certificate has to be for `name`: the URL's host, or what stands in for it.
    pub fn new(config: Arc<ClientConfig>, name: &str) -> Result<Self, TlsError> {
        let name = ServerName::try_from(name.to_owned()).map_err(|_| TlsError::ServerName(name.to_owned()))?;
        Ok(Self { connector: config.into(), name })
    }

    pub(super) fn connector(&self) -> &TlsConnector {
        &self.connector
    }

    pub(super) fn name(&self) -> &ServerName<'static> {
        &self.name
    }
}

impl std::fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsClient").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Takes any certificate whose key signed the handshake.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
