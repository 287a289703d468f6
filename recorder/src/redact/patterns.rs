//! Regular expressions: each group of a match is a secret or, where an expression has no groups, the match as a whole.

use std::borrow::Cow;

use regex::bytes::Regex;

use super::edits::Edits;
use super::pen::{Pen, Place};
use crate::rules::Action;

/// Expressions in order; each sees what those before it have left.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns(Vec<(Regex, Action)>);

impl Patterns {
    pub(super) fn add(&mut self, pattern: Regex, action: Action) {
        self.0.push((pattern, action));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (String, Action)> {
        self.0.iter().map(|(pattern, action)| (pattern.to_string(), *action))
    }

    /// The text without its secrets; nothing where it has none.
    pub(super) fn redact(&self, place: Place, text: &[u8], pen: Pen<'_>) -> Option<Vec<u8>> {
        let mut now = Cow::Borrowed(text);
        for (pattern, action) in &self.0 {
            if let Some(redacted) = one(pattern, *action, place, &now, pen) {
                now = Cow::Owned(redacted);
            }
        }
        match now {
            Cow::Borrowed(_) => None,
            Cow::Owned(redacted) => Some(redacted),
        }
    }
}

fn one(pattern: &Regex, action: Action, place: Place, text: &[u8], pen: Pen<'_>) -> Option<Vec<u8>> {
    let mut edits = Edits::default();
    let mut hit = |range: std::ops::Range<usize>| {
        // A group within a group, or an empty one, holds nothing more.
        if range.start >= edits.end() && !range.is_empty() {
            let with = pen.stand_in(place, action, &text[range.clone()]).unwrap_or_default();
            edits.replace(range, with);
        }
    };
    if pattern.captures_len() == 1 {
        pattern.find_iter(text).for_each(|found| hit(found.range()));
    } else {
        for captures in pattern.captures_iter(text) {
            captures.iter().skip(1).flatten().for_each(|group| hit(group.range()));
        }
    }
    edits.apply(text)
}
