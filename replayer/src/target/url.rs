//! The address of a target: a scheme, a host and a port, and nothing else.

use std::fmt;
use std::str::FromStr;

/// How a target is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetScheme {
    /// `http://`: HTTP/1.1, or cleartext HTTP/2 for what was recorded as HTTP/2.
    Http,
    /// `h2c://`: cleartext HTTP/2 for everything.
    H2c,
    /// `https://`: the same as `http://`, over TLS.
    Https,
}

/// `http://host[:port]`, `https://host[:port]` or `h2c://host[:port]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetUrl {
    /// How to speak to it.
    pub scheme: TargetScheme,
    /// A name or an address; an IPv6 address without its brackets.
    pub host: String,
    /// 80, or 443 with TLS, unless given.
    pub port: u16,
}

impl TargetScheme {
    /// The port of a URL without one.
    fn default_port(self) -> u16 {
        match self {
            Self::Http | Self::H2c => 80,
            Self::Https => 443,
        }
    }
}

impl TargetUrl {
    /// `host` or `host:port`, as it stands in a Host field.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }
}

/// A text that is no address of a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetUrlError {
    /// It has another form.
    #[error("'{0}' is no target URL: give http://HOST[:PORT], https://HOST[:PORT] or h2c://HOST[:PORT]")]
    Form(String),
    /// Something follows the port.
    #[error("'{0}' has a path: a target is HOST[:PORT] only; use --rewrite-path to move requests below a path")]
    Path(String),
    /// Credentials in the URL.
    #[error("the target URL has credentials before '@': use --set-header 'authorization:…' instead")]
    Credentials,
}

impl FromStr for TargetUrl {
    type Err = TargetUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || TargetUrlError::Form(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(form)?;
        let scheme = match scheme {
            "http" => TargetScheme::Http,
            "h2c" => TargetScheme::H2c,
            "https" => TargetScheme::Https,
            _ => return Err(form()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(TargetUrlError::Path(text.to_owned()));
        }
        if rest.contains('@') {
            return Err(TargetUrlError::Credentials);
        }
        let authority: http::uri::Authority = rest.parse().map_err(|_| form())?;
        let host = authority.host();
        let (bare, after) = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
            Some(v6) => (v6.parse::<std::net::Ipv6Addr>().map_err(|_| form()).map(|_| v6)?, &rest[host.len()..]),
            None => (host, &rest[host.len()..]),
        };
        let port = match after.strip_prefix(':') {
            None if after.is_empty() => scheme.default_port(),
            None => return Err(form()),
            Some(port) => port.parse().ok().filter(|p| *p > 0).ok_or_else(form)?,
        };
        if bare.is_empty() {
            return Err(form());
        }
        Ok(Self { scheme, host: bare.to_owned(), port })
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            TargetScheme::Http => "http",
            TargetScheme::H2c => "h2c",
            TargetScheme::Https => "https",
        };
        write!(f, "{scheme}://{}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_written() {
        for (text, host, port) in [
            ("http://staging", "staging", 80),
            ("http://staging.example.com:8080", "staging.example.com", 8080),
            ("h2c://127.0.0.1:50051", "127.0.0.1", 50051),
            ("http://[::1]:81", "::1", 81),
            ("https://staging", "staging", 443),
            ("https://staging:80", "staging", 80),
        ] {
            let url: TargetUrl = text.parse().unwrap();
            assert_eq!((url.host.as_str(), url.port), (host, port));
            assert_eq!(url.to_string(), text);
        }
        assert_eq!("http://a:80/".parse::<TargetUrl>().unwrap().authority(), "a");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |text: &str| text.parse::<TargetUrl>().unwrap_err().to_string();
        for bad in ["", "staging", "ftp://a", "http://", "http://:80", "http://a:0", "http://a:99999", "http://[zz]:1"]
        {
            assert!(error(bad).contains("is no target URL"), "{bad}: {}", error(bad));
        }
        assert!(error("http://a/b").contains("--rewrite-path"));
        let secret = error("http://user:hunter2@a");
        assert!(secret.contains("--set-header") && !secret.contains("hunter2"));
    }
}
