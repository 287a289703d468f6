//! An address given for a name, in the place of what DNS says: `api.example.com:443:10.0.0.7`, as curl has it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Connections to one host and port go to this address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// The name, in lower case.
    pub host: String,
    /// The port, the same at the address.
    pub port: u16,
    /// The address.
    pub address: IpAddr,
}

/// A text that pins no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' pins no name: give HOST:PORT:ADDRESS, as in api.example.com:443:10.0.0.7")]
pub struct PinnedParseError(String);

impl Pinned {
    /// Where connections go, if this is about `host` and `port`.
    pub fn applies(&self, host: &str, port: u16) -> Option<SocketAddr> {
        (self.port == port && self.host.eq_ignore_ascii_case(host)).then(|| SocketAddr::new(self.address, port))
    }
}

impl FromStr for Pinned {
    type Err = PinnedParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || PinnedParseError(text.to_owned());
        let (host, rest) = text.split_once(':').ok_or_else(bad)?;
        let (port, address) = rest.split_once(':').ok_or_else(bad)?;
        let address = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(bad)?;
        if host.is_empty() || host.contains(['/', '[', '@', ' ']) {
            return Err(bad());
        }
        Ok(Self { host: host.to_ascii_lowercase(), port, address: address.parse().map_err(|_| bad())? })
    }
}

impl fmt::Display for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.host, self.port, self.address)
    }
}

impl Serialize for Pinned {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pinned {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_read_and_written() {
        for (text, host, port, address) in
            [("api.example.com:443:10.0.0.7", "api.example.com", 443, "10.0.0.7"), ("api:80:::1", "api", 80, "::1")]
        {
            let pinned: Pinned = text.parse().unwrap();
            assert_eq!((pinned.host.as_str(), pinned.port, pinned.address), (host, port, address.parse().unwrap()));
            assert_eq!(pinned.to_string(), text);
        }
        assert_eq!("API:80:[::1]".parse::<Pinned>().unwrap().to_string(), "api:80:::1");
        for bad in ["", "api", "api:443", "api:0:10.0.0.7", "api:443:there", ":443:10.0.0.7", "http://api:443:10.0.0.7"]
        {
            let error = bad.parse::<Pinned>().unwrap_err().to_string();
            assert!(error.contains("give HOST:PORT:ADDRESS"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_pin_is_for_one_name_and_port() {
        let pinned: Pinned = "api:443:10.0.0.7".parse().unwrap();
        assert_eq!(pinned.applies("API", 443), Some("10.0.0.7:443".parse().unwrap()));
        assert_eq!((pinned.applies("api", 80), pinned.applies("www", 443)), (None, None));
    }
}
