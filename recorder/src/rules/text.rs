//! The grammar of rules: what a rules file holds, and `[[rule]]` and `[[redact]]` in the configuration file.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use umbra_common::fraction::Fraction;
use umbra_common::size::ByteSize;

use crate::config::Responses;

/// A whole rules file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RulesText {
    /// `false` stops recording; requests are served as before.
    pub(crate) recording: Option<bool>,
    /// The key of keyed hashes: `env:NAME` or `file:PATH`.
    pub(crate) redact_key: Option<String>,
    /// What becomes of clients' addresses.
    pub(crate) redact_client: Option<ClientAction>,
    pub(crate) rule: Vec<RuleText>,
    pub(crate) redact: Vec<RedactText>,
}

/// One `[[rule]]`: what it matches, and what is recorded of that.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RuleText {
    /// How it is called in `/status` and metrics; `rule-1`, `rule-2`, … by its place where it has no name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Methods, of which one has to be the request's.
    #[serde(skip_serializing_if = "Words::is_empty")]
    pub method: Words,
    /// Globs, of which one has to match the host without its port.
    #[serde(skip_serializing_if = "Words::is_empty")]
    pub host: Words,
    /// Globs, of which one has to match the path without its query.
    #[serde(skip_serializing_if = "Words::is_empty")]
    pub path: Words,
    /// Conditions that all have to hold: `NAME`, `NAME=GLOB` or `NAME=~REGEX`.
    #[serde(skip_serializing_if = "Words::is_empty")]
    pub header: Words,
    /// Globs, of which one has to match the content type without its parameters.
    #[serde(skip_serializing_if = "Words::is_empty")]
    pub content_type: Words,
    /// How much of it is recorded; `--sample` where this is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<Fraction>,
    /// What is recorded of responses; `--responses` where this is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub responses: Option<Responses>,
    /// How much of one body is recorded; `--body-limit` where this is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_limit: Option<ByteSize>,
}

/// One `[[redact]]`: what is done to the values in these places.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RedactText {
    /// What is done to them.
    pub action: Action,
    /// Headers and trailers, by name.
    #[serde(skip_serializing_if = "Words::is_empty")]
    pub headers: Words,
    /// Cookies, by name, where `cookie` and `set-cookie` are not masked whole.
    #[serde(skip_serializing_if = "Words::is_empty")]
    pub cookies: Words,
    /// Query parameters, by name.
    #[serde(skip_serializing_if = "Words::is_empty")]
    pub query: Words,
    /// Regular expressions on paths.
    #[serde(skip_serializing_if = "Words::is_empty")]
    pub path: Words,
    /// JSON pointers into bodies.
    #[serde(skip_serializing_if = "Words::is_empty")]
    pub json: Words,
    /// Fields of `application/x-www-form-urlencoded` bodies, by name.
    #[serde(skip_serializing_if = "Words::is_empty")]
    pub form: Words,
    /// Fields of `multipart/form-data` bodies, by name.
    #[serde(skip_serializing_if = "Words::is_empty")]
    pub multipart: Words,
    /// Regular expressions on bodies that are text.
    #[serde(skip_serializing_if = "Words::is_empty")]
    pub text: Words,
}

/// What is done to a secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// `***` stands for it.
    #[default]
    Mask,
    /// It is taken out, with its name.
    Drop,
    /// A keyed digest stands for it: the same for the same value, so that sessions still group.
    Hash,
}

impl Action {
    /// As a participle, for a line of text.
    pub(crate) fn done(self) -> &'static str {
        match self {
            Self::Mask => "masked",
            Self::Drop => "dropped",
            Self::Hash => "hashed",
        }
    }
}

/// What is done to the address of a client. The later ones say less of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAction {
    /// The network stays: 24 bits of IPv4, 48 of IPv6.
    Truncate,
    /// A keyed digest in the form of an address of `fd00::/8`.
    Hash,
    /// The unspecified address of its family.
    Mask,
    /// No address.
    Drop,
}

impl fmt::Display for ClientAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncate => "truncate",
            Self::Hash => "hash",
            Self::Mask => "mask",
            Self::Drop => "drop",
        })
    }
}

/// One string or a list of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Words(pub Vec<String>);

impl Words {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Words;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Words, E> {
                Ok(Words(vec![word.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> Result<Words, A::Error> {
                let mut all = Vec::new();
                while let Some(word) = words.next_element()? {
                    all.push(word);
                }
                Ok(Words(all))
            }
        }
        from.deserialize_any(OneOrMany)
    }
}
