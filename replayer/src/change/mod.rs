//! What is changed in every recorded request before it is sent: header fields, the host, the path, the query, fields of a
//! JSON body, tokens. Given by flags, or as a profile that several replays share.
//!
//! The rules are applied in this order: removed, renamed and set header fields, tokens, host, path, query, JSON. Of the
//! rules for the host, and of those for the path, the first that fits is applied.

mod diff;
mod header;
mod json;
mod pointer;
mod profile;
mod query;
mod rewrite;
mod rule;
mod tally;
mod token;

pub use diff::diff;
pub(crate) use header::reserved;
pub use header::{EditParseError, RemoveHeader, RenameHeader, SetHeader};
pub(crate) use json::replace_json;
pub use json::{RemoveJson, SetJson};
pub use pointer::{Pointer, PointerParseError};
pub use profile::{Profile, ProfileError};
pub use query::{RemoveQuery, RenameQuery, SetQuery};
pub(crate) use query::{encode, replace_pair};
pub use rewrite::{RewriteHost, RewritePath};
pub use rule::Rule;
pub use tally::{RuleReport, Tally};
pub use token::{Token, TokenParseError};

use http::HeaderName;
use umbra_common::exchange::Request;

use rule::{Applied, Kind};

/// Every rule, in the order in which they are applied.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    rules: Vec<Rule>,
}

impl Changes {
    /// From rules in any order: they are put into that of the kinds, and stay as given within a kind.
    pub fn new(mut rules: Vec<Rule>) -> Self {
        rules.sort_by_key(Rule::kind);
        Self { rules }
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules in the order in which they are applied.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The fields whose values are secrets of the target's.
    pub fn secrets(&self) -> Vec<HeaderName> {
        self.rules.iter().filter_map(Rule::secret).collect()
    }

    /// Changes a request whose target is in origin-form, and counts what each rule did.
    pub fn apply(&self, request: &mut Request, tally: &Tally) {
        let mut rewritten = None;
        for (rule, counts) in self.rules.iter().zip(tally.counts()) {
            let kind = rule.kind();
            if matches!(kind, Kind::Host | Kind::Path) && rewritten == Some(kind) {
                continue;
            }
            let applied = rule.apply(request);
            counts.add(applied);
            if applied == Applied::Changed {
                rewritten = Some(kind);
            }
        }
    }
}
