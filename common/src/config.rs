//! How a program's settings come together: flag over environment over file over default.
//!
//! clap reads flags and the environment into a struct of options; [`layer`] puts the file below it. The struct is the
//! same for both, so a key in the file has the flag's name and the flag's grammar, and one that is not known is an
//! error.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A configuration file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no TOML, has an unknown key or a wrong value.
    #[error("in the configuration {}: {why}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line where the parser knows it.
        why: String,
    },
    /// A secret's source is not there.
    #[error("the secret '{from}' of {key} cannot be read: {why}")]
    Secret {
        /// The setting.
        key: String,
        /// `env:NAME` or `file:PATH`.
        from: String,
        /// Why.
        why: String,
    },
}

/// The settings of `given` (flags and environment) over those of a TOML file.
///
/// `T` holds `Option`s and vectors: what `given` does not set is absent when serialised, and the file's value stays.
pub fn layer<T: Serialize + DeserializeOwned>(given: &T, file: &Path) -> Result<T, ConfigError> {
    let content = |why: String| ConfigError::Content { path: file.to_owned(), why };
    let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Read { path: file.to_owned(), source })?;
    // Once by itself, so that an error has the file's lines.
    let _: T = toml::from_str(&text).map_err(|e| content(e.to_string()))?;
    let mut merged: toml::Table = toml::from_str(&text).map_err(|e| content(e.to_string()))?;
    put_over(&mut merged, toml::Table::try_from(given).map_err(|e| content(e.to_string()))?);
    merged.try_into().map_err(|e| content(e.to_string()))
}

/// Tables are merged key by key; everything else is replaced.
fn put_over(below: &mut toml::Table, above: toml::Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => put_over(below, above),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

/// The value itself, or the secret it points to: `env:NAME` or `file:PATH` (one trailing line end is cut).
#[expect(clippy::disallowed_methods, reason = "the one place that reads a secret from the environment")]
pub fn secret(key: &str, value: &str) -> Result<String, ConfigError> {
    let missing = |why: String| ConfigError::Secret { key: key.to_owned(), from: value.to_owned(), why };
    if let Some(name) = value.strip_prefix("env:") {
        return std::env::var(name).map_err(|e| missing(e.to_string()));
    }
    if let Some(path) = value.strip_prefix("file:") {
        let text = std::fs::read_to_string(path).map_err(|e| missing(e.to_string()))?;
        return Ok(text.strip_suffix('\n').map(|t| t.strip_suffix('\r').unwrap_or(t)).unwrap_or(&text).to_owned());
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
    struct Flags {
        #[serde(skip_serializing_if = "Option::is_none")]
        sample: Option<crate::fraction::Fraction>,
        #[serde(skip_serializing_if = "Option::is_none")]
        workers: Option<u16>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        redact_header: Vec<String>,
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn what_is_given_goes_over_the_file() {
        let file = file("sample = \"10%\"\nworkers = 3\nredact-header = ['x-a']");
        let given = Flags { sample: "1%".parse().ok(), ..Flags::default() };
        let merged = layer(&given, file.path()).unwrap();
        assert_eq!(merged, Flags { sample: "1%".parse().ok(), workers: Some(3), redact_header: vec!["x-a".into()] });
    }

    #[test]
    fn a_wrong_file_says_what_and_where() {
        let error = |text: &str| layer(&Flags::default(), file(text).path()).unwrap_err().to_string();
        assert!(error("colour = 1").contains("unknown field `colour`"));
        assert!(error("sample = \"ten\"").contains("is no fraction"));
        assert!(error("sample =").contains("line 1"));
        let missing = layer(&Flags::default(), Path::new("/does/not/exist.toml")).unwrap_err();
        assert!(missing.to_string().contains("cannot read the configuration /does/not/exist.toml"));
    }

    #[test]
    fn secrets_come_from_files_and_the_environment() {
        let file = file("hunter2\n");
        assert_eq!(secret("k", &format!("file:{}", file.path().display())).unwrap(), "hunter2");
        assert_eq!(secret("k", "plain").unwrap(), "plain");
        assert!(secret("k", "env:UMBRA_NO_SUCH_VARIABLE").is_err());
    }
}
