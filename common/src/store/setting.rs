//! The store as a setting: one URL on the command line; in a file, the URL or a `[store]` table with `url` and the
//! librdkafka properties under `[store.kafka]`.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::{StoreConfig, StoreUrl, StoreUrlError};
use crate::config::{ConfigError, secret};

/// What a flag or a file says about the store. A URL given as a flag keeps the properties of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StoreSetting {
    /// `--store`, or `url` in the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<StoreUrl>,
    /// `[store.kafka]`: librdkafka's names and values, secrets still as `env:NAME` or `file:PATH`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub kafka: BTreeMap<String, String>,
}

impl StoreSetting {
    /// The store with its secrets read, or nothing where no URL was given.
    pub fn resolve(self) -> Result<Option<StoreConfig>, ConfigError> {
        let Some(url) = self.url else { return Ok(None) };
        let mut kafka = BTreeMap::new();
        for (name, value) in self.kafka {
            let value = secret(&format!("store.kafka.{name}"), &value)?;
            kafka.insert(name, value);
        }
        Ok(Some(StoreConfig { url, kafka }))
    }
}

impl FromStr for StoreSetting {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self { url: Some(text.parse()?), kafka: BTreeMap::new() })
    }
}

impl<'de> Deserialize<'de> for StoreSetting {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            url: Option<StoreUrl>,
            #[serde(default)]
            kafka: toml::Table,
        }
        match toml::Value::deserialize(from)? {
            toml::Value::String(url) => url.parse().map_err(D::Error::custom),
            other => {
                let table: Table = other.try_into().map_err(D::Error::custom)?;
                let mut kafka = BTreeMap::new();
                flatten("", table.kafka, &mut kafka).map_err(D::Error::custom)?;
                Ok(Self { url: table.url, kafka })
            }
        }
    }
}

/// `security.protocol = "SSL"` is a nested table in TOML and one name for librdkafka.
fn flatten(prefix: &str, table: toml::Table, to: &mut BTreeMap<String, String>) -> Result<(), String> {
    for (key, value) in table {
        let name = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        let text = match value {
            toml::Value::Table(inner) => {
                flatten(&name, inner, to)?;
                continue;
            }
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Float(number) => number.to_string(),
            toml::Value::Boolean(truth) => truth.to_string(),
            other => return Err(format!("the kafka property {name} = {other} is no string, number or boolean")),
        };
        to.insert(name, text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Serialize, Deserialize)]
    struct File {
        #[serde(default)]
        store: StoreSetting,
    }

    fn read(text: &str) -> Result<StoreSetting, String> {
        toml::from_str::<File>(text).map(|f| f.store).map_err(|e| e.to_string())
    }

    #[test]
    fn a_url_and_a_table_are_read() {
        let plain = read("store = 'sqlite:a.db'").unwrap();
        assert_eq!(plain, "sqlite:a.db".parse().unwrap());
        let table =
            read("[store]\nurl = 'kafka://h:1/t'\n[store.kafka]\nsecurity.protocol = 'SSL'\n'acks' = 1").unwrap();
        let kafka: Vec<_> = table.kafka.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(kafka, [("acks", "1"), ("security.protocol", "SSL")]);
    }

    #[test]
    fn a_wrong_table_says_why() {
        assert!(read("store = 'redis:'").unwrap_err().contains("is no store"));
        assert!(read("[store]\ncolour = 1").unwrap_err().contains("colour"));
        assert!(read("[store.kafka]\nacks = [1]").unwrap_err().contains("acks"));
    }

    #[test]
    fn a_url_given_as_a_flag_keeps_the_properties_of_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[store]\nurl = 'kafka://h:1/t'\n[store.kafka]\nacks = 1").unwrap();
        let given = File { store: "kafka://h:2/u".parse().unwrap() };
        let merged = crate::config::layer(&given, file.path()).unwrap().store;
        assert_eq!(merged.url, "kafka://h:2/u".parse().ok());
        assert_eq!(merged.kafka["acks"], "1");
    }
}
