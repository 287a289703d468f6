//! The `--store` URL: `sqlite:traffic.db[?retention=24h&max_size=2GiB]` or
//! `kafka://h1:9092,h2:9092/topic[?partitions=12]`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::size::ByteSize;
use crate::time::HumanDuration;

/// Where the traffic is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// One file.
    Sqlite(SqliteUrl),
    /// One topic.
    Kafka(KafkaUrl),
}

/// A SQLite store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteUrl {
    /// The file.
    pub path: PathBuf,
    /// Records that arrived longer ago are removed by the recorder.
    pub retention: Option<Duration>,
    /// The oldest records are removed by the recorder when the file would grow beyond this.
    pub max_size: Option<ByteSize>,
}

/// A Kafka store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaUrl {
    /// `host:port`, comma-separated, as librdkafka's `bootstrap.servers`.
    pub brokers: String,
    /// The topic.
    pub topic: String,
    /// How many partitions a topic gets that has to be made; the broker's default where absent.
    pub partitions: Option<u16>,
}

/// A text that names no store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreUrlError {
    /// Neither of the two schemes.
    #[error("'{0}' is no store: give sqlite:FILE or kafka://HOST:PORT/TOPIC")]
    Scheme(String),
    /// `sqlite:` without a file.
    #[error("'{0}' names no file: give sqlite:FILE, as in sqlite:traffic.db")]
    NoFile(String),
    /// `kafka://` without brokers, or a broker without a port.
    #[error("'{0}' names no brokers: give kafka://HOST:PORT[,HOST:PORT]/TOPIC")]
    Brokers(String),
    /// A topic that Kafka does not allow.
    #[error("'{0}' names no topic that kafka allows: use up to 249 of a-z A-Z 0-9 . _ -")]
    Topic(String),
    /// An option that is not known, or its value is wrong.
    #[error("the store option '{option}' {why}")]
    Option {
        /// `name=value` as given.
        option: String,
        /// What is wrong with it.
        why: String,
    },
}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let options = query.split('&').filter(|o| !o.is_empty());
        if let Some(path) = base.strip_prefix("sqlite:") {
            if path.is_empty() {
                return Err(StoreUrlError::NoFile(text.to_owned()));
            }
            let mut url = SqliteUrl { path: PathBuf::from(path), retention: None, max_size: None };
            for option in options {
                match option.split_once('=') {
                    Some(("retention", v)) => url.retention = Some(value::<HumanDuration>(option, v)?.0),
                    Some(("max_size", v)) => url.max_size = Some(value(option, v)?),
                    _ => return Err(unknown(option, "retention and max_size")),
                }
            }
            return Ok(Self::Sqlite(url));
        }
        let Some(rest) = base.strip_prefix("kafka://") else {
            return Err(StoreUrlError::Scheme(text.to_owned()));
        };
        let (brokers, topic) = rest.split_once('/').ok_or_else(|| StoreUrlError::Topic(text.to_owned()))?;
        if !brokers.split(',').all(is_broker) {
            return Err(StoreUrlError::Brokers(text.to_owned()));
        }
        if !is_topic(topic) {
            return Err(StoreUrlError::Topic(text.to_owned()));
        }
        let mut url = KafkaUrl { brokers: brokers.to_owned(), topic: topic.to_owned(), partitions: None };
        for option in options {
            match option.split_once('=') {
                Some(("partitions", v)) => url.partitions = Some(partitions(option, v)?),
                _ => return Err(unknown(option, "partitions")),
            }
        }
        Ok(Self::Kafka(url))
    }
}

fn is_broker(broker: &str) -> bool {
    broker.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|p| p > 0))
}

fn is_topic(topic: &str) -> bool {
    /// Kafka's own limit, from file names.
    const LONGEST: usize = 249;
    (1..=LONGEST).contains(&topic.len())
        && topic != "."
        && topic != ".."
        && topic.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn value<T: FromStr<Err: fmt::Display>>(option: &str, value: &str) -> Result<T, StoreUrlError> {
    value
        .parse()
        .map_err(|e: T::Err| StoreUrlError::Option { option: option.to_owned(), why: format!("is wrong: {e}") })
}

fn partitions(option: &str, value: &str) -> Result<u16, StoreUrlError> {
    value.parse().ok().filter(|n| *n > 0).ok_or_else(|| StoreUrlError::Option {
        option: option.to_owned(),
        why: "is wrong: give a whole number from 1 to 65535".into(),
    })
}

fn unknown(option: &str, known: &str) -> StoreUrlError {
    StoreUrlError::Option { option: option.to_owned(), why: format!("is not known here: this store has {known}") }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sign = '?';
        let mut option = |f: &mut fmt::Formatter<'_>, name: &str, value: Option<String>| match value {
            None => Ok(()),
            Some(value) => write!(f, "{}{name}={value}", std::mem::replace(&mut sign, '&')),
        };
        match self {
            Self::Sqlite(url) => {
                write!(f, "sqlite:{}", url.path.display())?;
                option(f, "retention", url.retention.map(|r| HumanDuration(r).to_string()))?;
                option(f, "max_size", url.max_size.map(|s| s.to_string()))
            }
            Self::Kafka(url) => {
                write!(f, "kafka://{}/{}", url.brokers, url.topic)?;
                option(f, "partitions", url.partitions.map(|p| p.to_string()))
            }
        }
    }
}

impl Serialize for StoreUrl {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StoreUrl {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_written() {
        for text in [
            "sqlite:traffic.db",
            "sqlite:/var/lib/umbra/t.db?retention=1day&max_size=2GiB",
            "kafka://h1:9092,h2:9092/traffic",
            "kafka://[::1]:9092/t.x_y-z?partitions=12",
        ] {
            assert_eq!(text.parse::<StoreUrl>().map(|u| u.to_string()), Ok(text.to_owned()));
        }
        assert!(
            matches!("sqlite:t.db?retention=24h".parse(), Ok(StoreUrl::Sqlite(SqliteUrl { retention: Some(d), .. }))
            if d == Duration::from_secs(86_400))
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |text: &str| text.parse::<StoreUrl>().unwrap_err().to_string();
        assert!(error("redis://h/t").contains("give sqlite:FILE or kafka://"));
        assert!(error("traffic.db").contains("is no store"));
        assert!(error("sqlite:").contains("names no file"));
        assert!(error("kafka://h1/t").contains("names no brokers"));
        assert!(error("kafka:///t").contains("names no brokers"));
        assert!(error("kafka://h:1").contains("names no topic"));
        assert!(error("kafka://h:1/a b").contains("names no topic"));
        assert!(error("kafka://h:1/a/b").contains("names no topic"));
        assert!(error("kafka://h:1/t?partitions=0").contains("from 1"));
        assert!(error("kafka://h:1/t?retention=1h").contains("is not known here"));
        assert!(error("sqlite:t.db?retention=soon").contains("is no duration"));
    }
}
