//! The rules in force: a snapshot that nothing changes, replaced as a whole.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::counts::Counts;
use super::rule::{Choice, Head, Rule};
use super::{Floor, RulesError, RulesText};
use crate::redact::Redactor;

/// More rules would be asked one after the other for every request, and each is a label of metrics.
const MOST_RULES: usize = 256;

/// How the requests that no rule matches are called in `/status` and metrics.
const NO_RULE: &str = "default";

/// Of a SHA-256 over the rules' text, so many bytes name a version.
const VERSION_BYTES: usize = 6;

/// Rules, compiled.
#[derive(Debug)]
pub(crate) struct Live {
    version: String,
    text: String,
    recording: bool,
    rules: Vec<Rule>,
    /// What holds where no rule matches.
    otherwise: Choice,
    otherwise_counts: Arc<Counts>,
    redactor: Arc<Redactor>,
}

impl Live {
    /// The rules of `text` before those of `floor`; counts go on from `before` for rules of the same name.
    pub(super) fn compile(floor: &Floor, text: &str, before: Option<&Self>) -> Result<Self, RulesError> {
        let parsed: RulesText = toml::from_str(text).map_err(|e| RulesError::content(text, &e))?;
        let mut rules = Vec::new();
        let mut names = HashSet::from([NO_RULE.to_owned()]);
        for (at, text) in parsed.rule.iter().chain(&floor.rule).enumerate() {
            let mut rule = Rule::new(at + 1, text, floor.choice)?;
            if !names.insert(rule.name().to_owned()) {
                return Err(RulesError::whole(format!("rule '{}'", rule.name()), "has a name that is taken"));
            }
            if let Some(before) = before.and_then(|before| before.rules.iter().find(|b| b.name() == rule.name())) {
                rule.counts = Arc::clone(&before.counts);
            }
            rules.push(rule);
        }
        if rules.len() > MOST_RULES {
            return Err(RulesError::whole(format!("{} rules", rules.len()), format!("are over {MOST_RULES}")));
        }
        Ok(Self {
            version: version(text),
            text: text.to_owned(),
            recording: parsed.recording.unwrap_or(true),
            rules,
            otherwise: floor.choice,
            otherwise_counts: before.map(|before| Arc::clone(&before.otherwise_counts)).unwrap_or_default(),
            redactor: Arc::new(Redactor::new(&parsed, floor)?),
        })
    }

    /// What is recorded of a request: what the first rule that matches says.
    pub(super) fn choose(&self, head: &Head<'_>) -> (Choice, &Counts) {
        match self.rules.iter().find(|rule| rule.matches(head)) {
            Some(rule) => (rule.choice(), &rule.counts),
            None => (self.otherwise, &self.otherwise_counts),
        }
    }

    /// Names this text among others.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The text as it was given.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether these rules let anything be recorded.
    pub(crate) fn is_recording(&self) -> bool {
        self.recording
    }

    /// Takes the secrets out of records.
    pub(crate) fn redactor(&self) -> &Arc<Redactor> {
        &self.redactor
    }

    /// Each rule in order, and at the end what holds without: name, choice, counts.
    pub(crate) fn list(&self) -> impl Iterator<Item = (&str, Choice, &Counts)> {
        let rules = self.rules.iter().map(|rule| (rule.name(), rule.choice(), &*rule.counts));
        rules.chain([(NO_RULE, self.otherwise, &*self.otherwise_counts)])
    }
}

fn version(text: &str) -> String {
    Sha256::digest(text).iter().take(VERSION_BYTES).fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
