//! Secrets of the target's that take the place of production's: from the environment or a file, never in a profile.

use std::fmt;
use std::str::FromStr;

use http::{HeaderName, HeaderValue};
use umbra_common::config::secret;
use umbra_common::exchange::Fields;

use super::EditParseError;
use super::header::{free, set};
use crate::text::serde_as_text;

/// `NAME=env:VARIABLE` or `NAME=file:PATH`: the field gets the secret for its value.
#[derive(Clone)]
pub struct Token {
    /// The field.
    pub name: HeaderName,
    value: HeaderValue,
    from: String,
}

/// A text that gives no token. The secret is in none of the messages.
#[derive(Debug, thiserror::Error)]
pub enum TokenParseError {
    /// No equals sign, or a secret in the open.
    #[error("'{0}' gives no token: give NAME=env:VARIABLE or NAME=file:PATH, as in authorization=env:STAGING_TOKEN")]
    Form(String),
    /// A field that no token can stand in.
    #[error(transparent)]
    Field(#[from] EditParseError),
    /// The variable or the file.
    #[error(transparent)]
    Secret(#[from] umbra_common::config::ConfigError),
    /// The secret has a line end or another character that no field value can hold.
    #[error("the secret of {from} cannot stand in the header field '{name}': it has characters that no field can hold")]
    Value {
        /// The field.
        name: HeaderName,
        /// Where the secret is from.
        from: String,
    },
}

impl Token {
    /// Of a field's name and where its secret is.
    pub fn new(name: &str, from: &str) -> Result<Self, TokenParseError> {
        let bad = || TokenParseError::Form(name.to_owned());
        if !from.starts_with("env:") && !from.starts_with("file:") {
            return Err(bad());
        }
        let name = free(name.trim().parse().map_err(|_| bad())?)?;
        let text = secret(&format!("token for {name}"), from)?;
        let unfit = |_| TokenParseError::Value { name: name.clone(), from: from.to_owned() };
        let mut value = HeaderValue::from_str(text.trim()).map_err(unfit)?;
        value.set_sensitive(true);
        Ok(Self { name, value, from: from.to_owned() })
    }

    pub(super) fn apply(&self, fields: &mut Fields) -> bool {
        set(fields, &self.name, self.value.as_bytes())
    }
}

impl FromStr for Token {
    type Err = TokenParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // What follows the sign may be a secret that was given by mistake.
        let (name, from) = text.split_once('=').ok_or_else(|| TokenParseError::Form("…".to_owned()))?;
        Self::new(name, from)
    }
}

/// Where the secret is from, not the secret.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.from)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({self})")
    }
}

serde_as_text!(Token);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_from_a_file_and_is_never_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "Bearer hunter2\n").unwrap();
        let token: Token = format!("authorization=file:{}", file.path().display()).parse().unwrap();
        let mut fields: Fields = [("authorization", "***"), ("a", "b")].into_iter().collect();
        assert!(token.apply(&mut fields));
        assert_eq!(fields.get("authorization"), Some(&b"Bearer hunter2"[..]));
        assert!(!format!("{token:?} {token}").contains("hunter2"));
        std::fs::write(file.path(), "hunter2\nhunter3").unwrap();
        let error = format!("authorization=file:{}", file.path().display()).parse::<Token>().unwrap_err();
        assert!(error.to_string().contains("no field can hold") && !error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn a_secret_in_the_open_is_refused_and_not_repeated() {
        let error = |text: &str| text.parse::<Token>().unwrap_err().to_string();
        assert!(error("authorization=hunter2").contains("env:VARIABLE"));
        assert!(!error("authorization=hunter2").contains("hunter2"));
        assert!(!error("hunter2").contains("hunter2"));
        assert!(error("host=env:HOME").contains("use --host"));
        assert!(error("authorization=env:UMBRA_NO_SUCH_VARIABLE").contains("UMBRA_NO_SUCH_VARIABLE"));
    }
}
