//! Certificates and keys as files.

use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A PEM file that does not hold what it should.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is broken.
    #[error("{} is no sound PEM file: {why}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It has no certificate.
    #[error("{} holds no certificate: it needs a part that begins with -----BEGIN CERTIFICATE-----", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// It has no private key.
    #[error("{} holds no private key: give one in PEM that is not encrypted (PKCS#8, PKCS#1 or SEC1)", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
}

impl PemError {
    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Read { path, .. }
            | Self::Content { path, .. }
            | Self::NoCertificate { path }
            | Self::NoKey { path } => path,
        }
    }
}

fn failed(path: &Path, error: Error) -> PemError {
    let path = path.to_owned();
    match error {
        Error::Io(source) => PemError::Read { path, source },
        error => PemError::Content { path, why: error.to_string() },
    }
}

/// All certificates of a file, in its order; at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match all.map_err(|e| failed(path, e))? {
        none if none.is_empty() => Err(PemError::NoCertificate { path: path.to_owned() }),
        all => Ok(all),
    }
}

/// The first private key of a file.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| match error {
        Error::NoItemsFound => PemError::NoKey { path: path.to_owned() },
        error => failed(path, error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_file_that_is_no_certificate_is_named_with_what_is_wrong() {
        let missing = Path::new("/does/not/exist.pem");
        assert!(certificates(missing).unwrap_err().to_string().contains("cannot read /does/not/exist.pem"));
        assert!(private_key(missing).unwrap_err().to_string().contains("cannot read /does/not/exist.pem"));
        let empty = file("hello\n");
        assert!(certificates(empty.path()).unwrap_err().to_string().contains("holds no certificate"));
        assert!(private_key(empty.path()).unwrap_err().to_string().contains("holds no private key"));
        let torn = file("-----BEGIN CERTIFICATE-----\nMIIB\n");
        let error = certificates(torn.path()).unwrap_err().to_string();
        assert!(error.contains("no sound PEM file") && error.contains(&torn.path().display().to_string()), "{error}");
    }
}
