//! The `--upstream` URL.

use std::fmt;
use std::str::FromStr;

use http::uri::Authority;

/// The service in front of which the recorder stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// How it is spoken to.
    pub protocol: Protocol,
    /// Its host and port, the port always present.
    pub authority: Authority,
}

/// How an upstream is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `http://`: HTTP/1.1, and HTTP/2 for gRPC, which cannot travel otherwise.
    Http,
    /// `h2c://`: HTTP/2 without TLS, whatever the client speaks.
    H2c,
    /// `auto://`: as the client came, without TLS.
    Auto,
    /// `https://`: as the client came, with TLS; HTTP/1.1 also for what came by HTTP/2, where the upstream has none.
    Https,
}

/// A text that names no upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamParseError {
    /// Not a URL, or one with more than a scheme, a host and a port.
    #[error("'{0}' is no upstream: give http://, https://, h2c:// or auto:// and HOST[:PORT], without a path")]
    Url(String),
}

impl Upstream {
    /// The name or address to connect to, without the brackets of IPv6.
    pub fn host(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(self.protocol.port())
    }
}

const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

impl Protocol {
    const ALL: [(&'static str, Self); 4] =
        [("http", Self::Http), ("https", Self::Https), ("h2c", Self::H2c), ("auto", Self::Auto)];

    /// That of a URL without one.
    fn port(self) -> u16 {
        if self == Self::Https { HTTPS_PORT } else { HTTP_PORT }
    }
}

impl FromStr for Upstream {
    type Err = UpstreamParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || UpstreamParseError::Url(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(bad)?;
        let (_, protocol) = Protocol::ALL.into_iter().find(|(name, _)| *name == scheme).ok_or_else(bad)?;
        let host = rest.strip_suffix('/').unwrap_or(rest);
        let authority: Authority = host.parse().map_err(|_| bad())?;
        if authority.host().is_empty() || host.contains('@') {
            return Err(bad());
        }
        let authority = match authority.port() {
            // `host:` and `host:99999` parse as authorities too.
            None if host.ends_with(authority.host()) => {
                format!("{host}:{}", protocol.port()).parse().map_err(|_| bad())?
            }
            Some(port) if port.as_u16() > 0 => authority,
            _ => return Err(bad()),
        };
        Ok(Self { protocol, authority })
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = Protocol::ALL.iter().find(|(_, protocol)| *protocol == self.protocol).map_or("", |(name, _)| name);
        write!(f, "{scheme}://{}", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_are_read_and_written() {
        for (text, shown, host, port) in [
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000", "127.0.0.1", 3000),
            ("http://api/", "http://api:80", "api", 80),
            ("h2c://[::1]:50051", "h2c://[::1]:50051", "::1", 50051),
            ("h2c://[::1]", "h2c://[::1]:80", "::1", 80),
            ("auto://api", "auto://api:80", "api", 80),
            ("https://api", "https://api:443", "api", 443),
        ] {
            let upstream: Upstream = text.parse().unwrap();
            assert_eq!((upstream.to_string().as_str(), upstream.host(), upstream.port()), (shown, host, port));
        }
    }

    #[test]
    fn what_is_no_upstream_is_named() {
        for bad in [
            "",
            "127.0.0.1:3000",
            "ftp://a",
            "http://",
            "http://a/path",
            "http://a?x",
            "http://u@a",
            "http://a:",
            "http://a:0",
            "http://a:99999",
        ] {
            assert_eq!(bad.parse::<Upstream>(), Err(UpstreamParseError::Url(bad.to_owned())), "{bad}");
        }
    }
}
