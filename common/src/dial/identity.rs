//! A certificate with its key: who one side of a connection is.

use std::path::{Path, PathBuf};

use rustls::InconsistentKeys;
use rustls::sign::CertifiedKey;

use super::pem::{self, PemError};
use super::tls::crypto;

/// The two files that an identity is kept in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate chain, the own one first.
    pub cert: PathBuf,
    /// The private key of the first certificate.
    pub key: PathBuf,
}

/// Files that are no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// One of them is no such file.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The key is of a kind that is not supported.
    #[error("the key in {} cannot be used: {why}; give an RSA, ECDSA (P-256, P-384) or Ed25519 key", path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The certificate is not one.
    #[error("the certificate in {} cannot be used: {why}", path.display())]
    Certificate {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// They do not belong together.
    #[error(
        "the key in {} is not that of the first certificate in {}: give the pair that was issued together",
        key.display(), cert.display()
    )]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
}

impl IdentityError {
    /// The file that is to blame; the key's, where the two do not belong together.
    pub fn path(&self) -> &Path {
        match self {
            Self::Pem(error) => error.path(),
            Self::Key { path, .. } | Self::Certificate { path, .. } => path,
            Self::Mismatch { key, .. } => key,
        }
    }
}

impl Identity {
    /// Reads both files, and checks that they belong together.
    pub fn load(&self) -> Result<CertifiedKey, IdentityError> {
        let (chain, key) = (pem::certificates(&self.cert)?, pem::private_key(&self.key)?);
        let key = crypto()
            .key_provider
            .load_private_key(key)
            .map_err(|e| IdentityError::Key { path: self.key.clone(), why: e.to_string() })?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            // A key that does not tell its public half is believed.
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(IdentityError::Mismatch { cert: self.cert.clone(), key: self.key.clone() })
            }
            Err(error) => Err(IdentityError::Certificate { path: self.cert.clone(), why: error.to_string() }),
        }
    }
}
