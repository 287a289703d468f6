//! The path and the host, rewritten by prefix or by pattern.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use regex::bytes::Regex;

use super::EditParseError;
use crate::text::serde_as_text;

/// What a path begins with, or a pattern on it, and what stands there instead.
#[derive(Clone, Debug)]
pub enum RewritePath {
    /// `FROM=TO`: a path that begins with FROM, up to the end of a segment, begins with TO instead.
    Prefix(String, String),
    /// The first match of the pattern becomes the replacement, in which `$1` or `${name}` stand for groups.
    Pattern(Pattern),
}

/// A pattern and its replacement.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
    replacement: String,
}

impl Pattern {
    pub(super) fn new(pattern: &str, replacement: &str) -> Result<Self, EditParseError> {
        let regex = Regex::new(pattern).map_err(|error| {
            // The last line says what is wrong; those before it draw where.
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            EditParseError::Pattern(pattern.to_owned(), why)
        })?;
        Ok(Self { regex, replacement: replacement.to_owned() })
    }

    fn apply(&self, text: &[u8]) -> Option<Vec<u8>> {
        self.regex.is_match(text).then(|| self.regex.replace(text, self.replacement.as_bytes()).into_owned())
    }
}

impl RewritePath {
    /// By a pattern on the path, which ends where the query begins.
    pub fn by_pattern(pattern: &str, replacement: &str) -> Result<Self, EditParseError> {
        Pattern::new(pattern, replacement).map(Self::Pattern)
    }

    pub(super) fn apply(&self, target: &mut Bytes) -> bool {
        let end = target.iter().position(|b| *b == b'?').unwrap_or(target.len());
        let Some(mut path) = self.path(&target[..end]) else { return false };
        if path.first() != Some(&b'/') {
            path.insert(0, b'/');
        }
        path.extend_from_slice(&target[end..]);
        let is_other = path != target[..];
        *target = path.into();
        is_other
    }

    fn path(&self, path: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Prefix(from, to) => {
                let rest = path.strip_prefix(from.as_bytes())?;
                let whole_segment = from.ends_with('/') || matches!(rest.first(), None | Some(b'/'));
                whole_segment.then(|| [to.as_bytes(), rest].concat())
            }
            Self::Pattern(pattern) => pattern.apply(path),
        }
    }
}

impl FromStr for RewritePath {
    type Err = EditParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_path = |t: &str| t.starts_with('/') && t.parse::<http::uri::PathAndQuery>().is_ok() && !t.contains('?');
        text.split_once('=')
            .filter(|(from, to)| is_path(from) && is_path(to))
            .map(|(from, to)| Self::Prefix(from.to_owned(), to.to_owned()))
            .ok_or_else(|| EditParseError::RewritePath(text.to_owned()))
    }
}

impl fmt::Display for RewritePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(from, to) => write!(f, "{from}={to}"),
            Self::Pattern(pattern) => write!(f, "{}={}", pattern.regex, pattern.replacement),
        }
    }
}

serde_as_text!(RewritePath);

/// `REGEX=TO`: the first match in the recorded authority becomes TO, in which `$1` stands for a group. `--host` applies
/// to what comes of it.
#[derive(Clone, Debug)]
pub struct RewriteHost(Pattern);

impl RewriteHost {
    /// By a pattern on the authority.
    pub fn by_pattern(pattern: &str, replacement: &str) -> Result<Self, EditParseError> {
        Pattern::new(pattern, replacement).map(Self)
    }

    pub(super) fn apply(&self, authority: &mut Bytes) -> bool {
        let Some(rewritten) = self.0.apply(authority) else { return false };
        let is_other = rewritten != authority[..];
        *authority = rewritten.into();
        is_other
    }
}

impl FromStr for RewriteHost {
    type Err = EditParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (pattern, to) = text.split_once('=').ok_or_else(|| EditParseError::RewriteHost(text.to_owned()))?;
        Self::by_pattern(pattern, to)
    }
}

impl fmt::Display for RewriteHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.0.regex, self.0.replacement)
    }
}

serde_as_text!(RewriteHost);

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(rule: &RewritePath, path: &str) -> Option<String> {
        let mut target = Bytes::copy_from_slice(path.as_bytes());
        rule.apply(&mut target).then(|| String::from_utf8(target.to_vec()).unwrap())
    }

    #[test]
    fn a_prefix_is_rewritten_at_whole_segments_only() {
        let rule: RewritePath = "/v1=/v2".parse().unwrap();
        assert_eq!(apply(&rule, "/v1/orders?q=/v1").as_deref(), Some("/v2/orders?q=/v1"));
        assert_eq!(apply(&rule, "/v1?q=1").as_deref(), Some("/v2?q=1"));
        assert_eq!(apply(&rule, "/v1").as_deref(), Some("/v2"));
        assert_eq!(apply(&rule, "/v10/orders"), None);
        assert_eq!(apply(&rule, "/x/v1"), None);
        let below: RewritePath = "/=/staging/".parse().unwrap();
        assert_eq!(apply(&below, "/a").as_deref(), Some("/staging/a"));
        for bad in ["", "/a", "a=/b", "/a=b", "/a?x=/b"] {
            assert!(bad.parse::<RewritePath>().unwrap_err().to_string().contains("give FROM=TO"), "{bad}");
        }
    }

    #[test]
    fn a_pattern_is_rewritten_with_its_groups() {
        let rule = RewritePath::by_pattern(r"^/v1/users/(\d+)", "/v2/accounts/$1").unwrap();
        assert_eq!(apply(&rule, "/v1/users/42/orders?x=%20").as_deref(), Some("/v2/accounts/42/orders?x=%20"));
        assert_eq!(apply(&rule, "/v1/users/ann"), None);
        let odd = RewritePath::by_pattern("^/", "").unwrap();
        assert_eq!(apply(&odd, "/a").as_deref(), None, "a path begins with a slash");
        let error = RewritePath::by_pattern("(", "").unwrap_err().to_string();
        assert!(error.starts_with("'(' is no regular expression:") && !error.contains('\n'), "{error}");
    }

    #[test]
    fn a_host_is_rewritten_by_pattern() {
        let rule: RewriteHost = r"^(.+)\.example\.com(:\d+)?$=$1.example.net$2".parse().unwrap();
        let mut host = Bytes::from_static(b"api.example.com:8443");
        assert!(rule.apply(&mut host));
        assert_eq!(host, "api.example.net:8443");
        assert!(!rule.apply(&mut host));
        assert!("example".parse::<RewriteHost>().unwrap_err().to_string().contains("give REGEX=TO"));
    }
}
