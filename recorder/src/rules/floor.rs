//! What the command line and the configuration file say, below whatever a rules file says.

use std::fmt;
use std::path::PathBuf;

use http::HeaderName;

use super::rule::Choice;
use super::{ClientAction, RedactText, RuleText};

/// What no reload changes. A rules file adds to it: what is redacted here is never kept by one.
#[derive(Clone, Debug)]
pub(crate) struct Floor {
    /// What holds where no rule matches. A rule may record less of a body, never more.
    pub(crate) choice: Choice,
    /// Asked after those of the rules file.
    pub(crate) rule: Vec<RuleText>,
    pub(crate) redact: Vec<RedactText>,
    pub(crate) redact_key: Option<String>,
    pub(crate) redact_client: Option<ClientAction>,
    /// Fields that are masked unless a block says what else is done to them.
    pub(crate) masked: Vec<HeaderName>,
    /// Requests are sampled by their client's address.
    pub(crate) by_client: bool,
}

/// Where rules come from.
#[derive(Clone, Debug)]
pub(crate) struct RulesSetting {
    pub(crate) file: Option<PathBuf>,
    pub(crate) floor: Floor,
}

/// For `--check`, in the grammar of the configuration file.
impl RulesSetting {
    /// The keys that stand before all tables, and what they come to.
    pub(crate) fn write_head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            writeln!(f, "rules = {:?}", file.display().to_string())?;
        }
        if let Some(key) = &self.floor.redact_key {
            writeln!(f, "redact-key = {key:?}")?;
        }
        if let Some(action) = self.floor.redact_client {
            writeln!(f, "redact-client = \"{action}\"")?;
        }
        // Validated when the settings were; should the file be gone since, that is no reason to print nothing.
        if let Ok(live) = self.start() {
            writeln!(f, "# rules {}: {}", live.version(), live.list().count() - 1)?;
            for (name, choice, _) in live.list() {
                let limits = choice.limits;
                let (fraction, responses) = (choice.fraction, limits.responses);
                writeln!(f, "#   {name}: {fraction}, responses {responses}, {} bytes of a body", limits.body)?;
            }
            writeln!(f, "# {}", live.redactor())?;
        }
        Ok(())
    }

    /// The tables.
    pub(crate) fn write_blocks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[derive(serde::Serialize)]
        struct Blocks<'a> {
            rule: &'a [RuleText],
            redact: &'a [RedactText],
        }
        let (rule, redact) = (&self.floor.rule[..], &self.floor.redact[..]);
        if rule.is_empty() && redact.is_empty() {
            return Ok(());
        }
        let blocks = toml::to_string(&Blocks { rule, redact }).map_err(|_| fmt::Error)?;
        write!(f, "\n{blocks}")
    }
}
