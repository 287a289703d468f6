//! What each rule did.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::Changes;
use super::rule::Applied;

/// Counts for each rule of some changes, for one target.
#[derive(Clone, Debug)]
pub struct Tally {
    names: Arc<[String]>,
    counts: Arc<[Counts]>,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    changed: AtomicU64,
    not_json: AtomicU64,
    encoded: AtomicU64,
}

impl Counts {
    pub(super) fn add(&self, applied: Applied) {
        let count = match applied {
            Applied::Changed => &self.changed,
            Applied::NotJson => &self.not_json,
            Applied::Encoded => &self.encoded,
            Applied::Nothing => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// What one rule did to what was sent to one target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RuleReport {
    /// The rule, as on the command line, without its value where that may be a secret.
    pub rule: String,
    /// Requests that it changed.
    pub changed: u64,
    /// Requests that it left as they were because their body is no JSON.
    pub not_json: u64,
    /// Requests that it left as they were because their body is compressed.
    pub encoded: u64,
}

impl Tally {
    /// Nothing yet.
    pub fn new(changes: &Changes) -> Self {
        let names = changes.rules().iter().map(ToString::to_string).collect();
        Self { names, counts: changes.rules().iter().map(|_| Counts::default()).collect() }
    }

    pub(super) fn counts(&self) -> &[Counts] {
        &self.counts
    }

    /// What each rule did until now, in the order in which they are applied.
    pub fn report(&self) -> Vec<RuleReport> {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let rules = self.names.iter().zip(self.counts.iter());
        rules
            .map(|(rule, counts)| RuleReport {
                rule: rule.clone(),
                changed: of(&counts.changed),
                not_json: of(&counts.not_json),
                encoded: of(&counts.encoded),
            })
            .collect()
    }
}
