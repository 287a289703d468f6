//! Replacements in a text of which every other byte stays as it came.

use std::ops::Range;

/// Replacements in order, none over another.
#[derive(Debug, Default)]
pub(super) struct Edits(Vec<(Range<usize>, Vec<u8>)>);

impl Edits {
    /// Puts `with` in the place of a range that lies behind the last one.
    pub(super) fn replace(&mut self, range: Range<usize>, with: Vec<u8>) {
        self.0.push((range, with));
    }

    /// Where the last replacement ends.
    pub(super) fn end(&self) -> usize {
        self.0.last().map_or(0, |(range, _)| range.end)
    }

    /// The text with all replacements; nothing where there are none.
    pub(super) fn apply(self, text: &[u8]) -> Option<Vec<u8>> {
        if self.0.is_empty() {
            return None;
        }
        let more: usize = self.0.iter().map(|(_, with)| with.len()).sum();
        let (mut all, mut at) = (Vec::with_capacity(text.len() + more), 0);
        for (range, with) in self.0 {
            all.extend_from_slice(&text[at..range.start]);
            all.extend_from_slice(&with);
            at = range.end;
        }
        all.extend_from_slice(&text[at..]);
        Some(all)
    }
}
