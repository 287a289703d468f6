//! What is changed in every request on its way: header fields and the beginning of the path.

use std::fmt;
use std::str::FromStr;

use http::{HeaderName, HeaderValue};

use crate::text::serde_as_text;

/// `NAME:VALUE`: the field gets this one value, whether it was there or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetHeader {
    /// The field.
    pub name: HeaderName,
    /// Its value.
    pub value: HeaderValue,
}

/// `FROM=TO`: a path that begins with FROM begins with TO instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RewritePath {
    from: String,
    to: String,
}

impl RewritePath {
    /// The rewritten path and query, where the rule applies: FROM has to end where a path segment does.
    pub fn apply(&self, path_and_query: &[u8]) -> Option<Vec<u8>> {
        let rest = path_and_query.strip_prefix(self.from.as_bytes())?;
        let whole_segment = self.from.ends_with('/') || matches!(rest.first(), None | Some(b'/' | b'?'));
        whole_segment.then(|| {
            let joined = [self.to.as_bytes(), rest].concat();
            if joined.first() == Some(&b'/') { joined } else { [b"/", &joined[..]].concat() }
        })
    }
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
    /// `--rewrite-path` without an equals sign, or with what is no path.
    #[error("'{0}' rewrites no path: give FROM=TO, both beginning with '/', as in /v1=/v2")]
    RewritePath(String),
}

/// The fields that no flag may touch, and what to do instead.
fn free(name: HeaderName) -> Result<HeaderName, EditParseError> {
    let why = match name.as_str() {
        "host" => "use --host",
        "content-length" | "transfer-encoding" | "trailer" => "it follows from the body",
        "connection" | "keep-alive" | "proxy-connection" | "upgrade" | "te" | "expect" => {
            "it belongs to one connection and is not sent on"
        }
        "umbra-shadow" => "it marks what a replayer sends, so that no recorder takes it",
        _ => return Ok(name),
    };
    Err(EditParseError::Ours(name.to_string(), why))
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

impl FromStr for RewritePath {
    type Err = EditParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_path = |t: &str| t.starts_with('/') && t.parse::<http::uri::PathAndQuery>().is_ok() && !t.contains('?');
        text.split_once('=')
            .filter(|(from, to)| is_path(from) && is_path(to))
            .map(|(from, to)| Self { from: from.to_owned(), to: to.to_owned() })
            .ok_or_else(|| EditParseError::RewritePath(text.to_owned()))
    }
}

impl fmt::Display for RewritePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.from, self.to)
    }
}

serde_as_text!(RewritePath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_rewritten_at_whole_segments_only() {
        let rule: RewritePath = "/v1=/v2".parse().unwrap();
        let apply = |path: &str| rule.apply(path.as_bytes()).map(|p| String::from_utf8(p).unwrap());
        assert_eq!(apply("/v1/orders?q=1").as_deref(), Some("/v2/orders?q=1"));
        assert_eq!(apply("/v1?q=1").as_deref(), Some("/v2?q=1"));
        assert_eq!(apply("/v1").as_deref(), Some("/v2"));
        assert_eq!(apply("/v10/orders"), None);
        assert_eq!(apply("/x/v1"), None);
        let below: RewritePath = "/=/staging/".parse().unwrap();
        assert_eq!(below.apply(b"/a").as_deref(), Some(&b"/staging/a"[..]));
        for bad in ["", "/a", "a=/b", "/a=b", "/a?x=/b"] {
            assert!(bad.parse::<RewritePath>().unwrap_err().to_string().contains("give FROM=TO"), "{bad}");
        }
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
        assert!("a b".parse::<RemoveHeader>().unwrap_err().to_string().contains("is no name"));
        let secret = "authorization\0:hunter2".parse::<SetHeader>().unwrap_err().to_string();
        assert!(!secret.contains("hunter2"));
    }
}
