//! Settings of rules: where they are, and those of the configuration file itself.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::rules::{ClientAction, RedactText, RuleText};

/// Which requests are recorded how, and what is taken out of the records.
#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct RulesFlags {
    /// A TOML file of rules and redaction, read again when it changes and on SIGHUP
    #[arg(long, env = "UMBRA_RULES", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<PathBuf>,

    /// The key of keyed hashes in records: env:NAME or file:PATH
    #[arg(long, env = "UMBRA_REDACT_KEY", value_name = "SECRET")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redact_key: Option<String>,

    /// What becomes of clients' addresses in records [default: they are kept]
    #[arg(long, env = "UMBRA_REDACT_CLIENT", value_name = "ACTION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redact_client: Option<ClientAction>,

    /// `[[rule]]` in the configuration file; those of the rules file are asked first.
    #[arg(skip)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rule: Vec<RuleText>,

    /// `[[redact]]` in the configuration file; the rules file adds to them.
    #[arg(skip)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redact: Vec<RedactText>,
}
