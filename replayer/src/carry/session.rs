//! What tells one session from another.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use http::HeaderName;
use umbra_common::exchange::{Exchange, Fields};

use crate::text::serde_as_text;

/// Which part of a recorded request names its session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SessionBy {
    /// The record's session key: what the recorder sampled by.
    #[default]
    Key,
    /// The client's address, without its port.
    Client,
    /// The value of a header field.
    Header(HeaderName),
    /// The value of a cookie.
    Cookie(String),
}

/// A text that names no session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' names no session: give key, client, header:NAME or cookie:NAME")]
pub struct SessionByParseError(String);

impl SessionBy {
    /// The exchange's session; nothing where it has none.
    pub fn of(&self, exchange: &Exchange) -> Option<Bytes> {
        let headers = &exchange.request.headers;
        match self {
            Self::Key => Some(exchange.session.clone()).filter(|key| !key.is_empty()),
            Self::Client => {
                let client = exchange.client?.ip().to_canonical();
                Some(client.to_string().into())
            }
            Self::Header(name) => headers.get(name.as_str()).map(Bytes::copy_from_slice),
            Self::Cookie(name) => cookie(headers, name).map(Bytes::copy_from_slice),
        }
    }
}

/// A cookie's value in a request (RFC 6265, 4.2).
pub(super) fn cookie<'a>(headers: &'a Fields, name: &str) -> Option<&'a [u8]> {
    let pairs = headers.get_all("cookie").flat_map(|value| value.split(|b| *b == b';'));
    pairs.map(<[u8]>::trim_ascii).find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

impl FromStr for SessionBy {
    type Err = SessionByParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || SessionByParseError(text.to_owned());
        match text.split_once(':') {
            None if text == "key" => Ok(Self::Key),
            None if text == "client" => Ok(Self::Client),
            Some(("header", name)) => name.parse().map(Self::Header).map_err(|_| bad()),
            // A cookie's name is a token, like a header's (RFC 6265, 4.1.1), but its case counts.
            Some(("cookie", name)) if name.parse::<HeaderName>().is_ok() => Ok(Self::Cookie(name.to_owned())),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for SessionBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => f.write_str("key"),
            Self::Client => f.write_str("client"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
        }
    }
}

serde_as_text!(SessionBy);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::exchange;
    use std::time::Duration;

    #[test]
    fn a_session_is_named_by_what_is_asked() {
        let mut exchange = exchange("/", Duration::ZERO);
        exchange.request.headers.push("cookie", "a=1; sid=x=y ;sidx=2");
        exchange.request.headers.push("x-user", "ann");
        let of = |by: &str, exchange: &Exchange| by.parse::<SessionBy>().unwrap().of(exchange);
        assert_eq!(of("key", &exchange), None);
        assert_eq!(of("client", &exchange), None);
        exchange.session = Bytes::from_static(b"k");
        exchange.client = Some("[::ffff:192.0.2.1]:99".parse().unwrap());
        assert_eq!(of("key", &exchange).unwrap(), "k");
        assert_eq!(of("client", &exchange).unwrap(), "192.0.2.1");
        assert_eq!(of("header:X-User", &exchange).unwrap(), "ann");
        assert_eq!(of("cookie:sid", &exchange).unwrap(), "x=y");
        assert_eq!(of("cookie:no", &exchange), None);
        for bad in ["", "ip", "header:", "cookie:a b"] {
            assert!(bad.parse::<SessionBy>().unwrap_err().to_string().contains("names no session"), "{bad}");
        }
    }
}
