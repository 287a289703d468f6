//! Header fields that are set, removed or renamed.

use std::fmt;
use std::str::FromStr;

use http::{HeaderName, HeaderValue};
use umbra_common::exchange::Fields;
use umbra_common::provenance;

use crate::text::serde_as_text;

/// `NAME:VALUE`: the field gets this one value, whether it was there or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetHeader {
    /// The field.
    pub name: HeaderName,
    /// Its value.
    pub value: HeaderValue,
}

/// A text that is no change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditParseError {
    /// `--set-header` without a colon, or with what no field can hold.
    #[error("'{0}' sets no header field: give NAME:VALUE, as in x-env:staging")]
    SetHeader(String),
    /// `--remove-header` with what is no name.
    #[error("'{0}' is no name of a header field")]
    Name(String),
    /// A field that follows from the connection, the body or another flag.
    #[error("the header field '{0}' cannot be changed: {1}")]
    Ours(String, &'static str),
    /// `--rename-header` without a colon.
    #[error("'{0}' renames no header field: give OLD:NEW, as in x-user:x-shadow-user")]
    RenameHeader(String),
    /// `--rewrite-path` without an equals sign, or with what is no path.
    #[error("'{0}' rewrites no path: give FROM=TO, both beginning with '/', as in /v1=/v2")]
    RewritePath(String),
    /// `--rewrite-host` without an equals sign.
    #[error("'{0}' rewrites no host: give REGEX=TO, as in '^(.+)\\.example\\.com$=$1.example.net'")]
    RewriteHost(String),
    /// A pattern that is no regular expression.
    #[error("'{0}' is no regular expression: {1}")]
    Pattern(String, String),
    /// `--set-query` or `--rename-query` without an equals sign.
    #[error("'{0}' changes no query parameter: give NAME=VALUE")]
    Query(String),
    /// A query parameter without a name.
    #[error("a query parameter needs a name")]
    NoQueryName,
    /// `--set-json` without an equals sign, or with what is no JSON.
    #[error("'{0}' sets no JSON field: give POINTER=JSON, as in '/customer/name=\"Ann\"' (a text stands in quotes)")]
    SetJson(String),
    /// A `[[json]]` table of a profile that says nothing to do, or two things.
    #[error("the pointer {0}: give either set or remove = true")]
    JsonTable(String),
    /// A JSON pointer that is none.
    #[error(transparent)]
    Pointer(#[from] super::PointerParseError),
}

/// A name that a flag may touch.
pub(super) fn free(name: HeaderName) -> Result<HeaderName, EditParseError> {
    match reserved(&name) {
        None => Ok(name),
        Some(why) => Err(EditParseError::Ours(name.to_string(), why)),
    }
}

/// Of a field that neither a flag nor a carried value may touch, what to do instead, or why not.
pub(crate) fn reserved(name: &HeaderName) -> Option<&'static str> {
    match name.as_str() {
        "host" => Some("use --host"),
        "content-length" | "transfer-encoding" | "trailer" => Some("it follows from the body"),
        "connection" | "keep-alive" | "proxy-connection" | "upgrade" | "te" | "expect" => {
            Some("it belongs to one connection and is not sent on")
        }
        "umbra-shadow" => Some("it marks what a replayer sends, so that no recorder takes it"),
        provenance::FIELD => Some("it keeps a replay from the service that it was recorded in front of"),
        _ => None,
    }
}

/// The fields with one name getting one value: in the place of the first, or at the end.
pub(super) fn set(fields: &mut Fields, name: &HeaderName, value: &[u8]) -> bool {
    let mut changed = Fields::with_capacity(fields.len() + 1, fields.byte_len() + value.len());
    let mut there = false;
    for (key, old) in fields.iter() {
        if key != name.as_str().as_bytes() {
            changed.push(key, old);
        } else if !std::mem::replace(&mut there, true) {
            changed.push(key, value);
        }
    }
    if !there {
        changed.push(name.as_str(), value);
    }
    let is_other = changed != *fields;
    *fields = changed;
    is_other
}

impl SetHeader {
    pub(super) fn apply(&self, fields: &mut Fields) -> bool {
        set(fields, &self.name, self.value.as_bytes())
    }
}

impl FromStr for SetHeader {
    type Err = EditParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || EditParseError::SetHeader(text.split(':').next().unwrap_or_default().to_owned());
        let (name, value) = text.split_once(':').ok_or_else(bad)?;
        let name = free(name.trim().parse().map_err(|_| bad())?)?;
        let value = HeaderValue::from_str(value.trim()).map_err(|_| bad())?;
        Ok(Self { name, value })
    }
}

impl fmt::Display for SetHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, String::from_utf8_lossy(self.value.as_bytes()))
    }
}

serde_as_text!(SetHeader);

/// `NAME`: the field is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveHeader(pub HeaderName);

impl RemoveHeader {
    pub(super) fn apply(&self, fields: &mut Fields) -> bool {
        let name = self.0.as_str().as_bytes();
        if !fields.iter().any(|(key, _)| key == name) {
            return false;
        }
        *fields = fields.iter().filter(|(key, _)| *key != name).collect();
        true
    }
}

impl FromStr for RemoveHeader {
    type Err = EditParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        free(text.trim().parse().map_err(|_| EditParseError::Name(text.to_owned()))?).map(Self)
    }
}

impl fmt::Display for RemoveHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

serde_as_text!(RemoveHeader);

/// `OLD:NEW`: the field is sent by another name, in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenameHeader {
    from: HeaderName,
    to: HeaderName,
}

impl RenameHeader {
    pub(super) fn apply(&self, fields: &mut Fields) -> bool {
        let from = self.from.as_str().as_bytes();
        if !fields.iter().any(|(key, _)| key == from) {
            return false;
        }
        let renamed = |key| if key == from { self.to.as_str().as_bytes() } else { key };
        *fields = fields.iter().map(|(key, value)| (renamed(key), value)).collect();
        true
    }
}

impl FromStr for RenameHeader {
    type Err = EditParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || EditParseError::RenameHeader(text.to_owned());
        let (from, to) = text.split_once(':').ok_or_else(bad)?;
        let name = |text: &str| free(text.trim().parse().map_err(|_| bad())?);
        Ok(Self { from: name(from)?, to: name(to)? })
    }
}

impl fmt::Display for RenameHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.from, self.to)
    }
}

serde_as_text!(RenameHeader);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_changed_in_their_place() {
        let mut fields: Fields = [("a", "1"), ("b", "2"), ("a", "3"), ("c", "4")].into_iter().collect();
        assert!("a:9".parse::<SetHeader>().unwrap().apply(&mut fields));
        assert!(!"a:9".parse::<SetHeader>().unwrap().apply(&mut fields));
        assert!("d:5".parse::<SetHeader>().unwrap().apply(&mut fields));
        assert!("B:x".parse::<RenameHeader>().unwrap().apply(&mut fields));
        assert!("c".parse::<RemoveHeader>().unwrap().apply(&mut fields));
        assert!(!"c".parse::<RemoveHeader>().unwrap().apply(&mut fields));
        assert_eq!(fields, [("a", "9"), ("x", "2"), ("d", "5")].into_iter().collect());
    }

    #[test]
    fn header_changes_are_checked() {
        let set: SetHeader = "X-Env: staging:1".parse().unwrap();
        assert_eq!(set.to_string(), "x-env:staging:1");
        assert!("x-env".parse::<SetHeader>().unwrap_err().to_string().contains("give NAME:VALUE"));
        assert!("a b:c".parse::<SetHeader>().is_err());
        assert!("Host:a".parse::<SetHeader>().unwrap_err().to_string().contains("use --host"));
        assert!("content-length:1".parse::<SetHeader>().is_err());
        assert!("umbra-shadow".parse::<RemoveHeader>().unwrap_err().to_string().contains("marks what"));
        let provenance = provenance::FIELD.parse::<RemoveHeader>().unwrap_err().to_string();
        assert!(provenance.contains("keeps a replay from"), "{provenance}");
        assert!("a b".parse::<RemoveHeader>().unwrap_err().to_string().contains("is no name"));
        let secret = "authorization\0:hunter2".parse::<SetHeader>().unwrap_err().to_string();
        assert!(!secret.contains("hunter2"));
    }
}
