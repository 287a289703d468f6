//! Offsets as short text: the gap to the one before, and how many follow it without a gap.

use std::collections::BTreeSet;
use std::fmt::Write;

/// `5+2,3`: from a base of 100 these are 105, 106, 107 and 110.
pub(super) fn write(offsets: impl IntoIterator<Item = i64>, base: i64) -> String {
    let mut text = String::new();
    let mut last = base;
    let mut offsets = offsets.into_iter().peekable();
    while let Some(first) = offsets.next() {
        let mut end = first;
        while let Some(next) = offsets.next_if_eq(&(end + 1)) {
            end = next;
        }
        let comma = if text.is_empty() { "" } else { "," };
        // Writing to a string does not fail.
        let _ = write!(text, "{comma}{}", first - last);
        if end > first {
            let _ = write!(text, "+{}", end - first);
        }
        last = end;
    }
    text
}

/// The offsets again; nothing where the text is something else, or names more than anyone wrote.
pub(super) fn read(text: &str, base: i64) -> Option<BTreeSet<i64>> {
    /// Far more than a checkpoint may leave open.
    const MOST: i64 = 1 << 20;
    let mut offsets = BTreeSet::new();
    let mut last = base;
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (gap, more) = part.split_once('+').unwrap_or((part, "0"));
        let first = last.checked_add(gap.parse().ok()?)?;
        let more: i64 = more.parse().ok().filter(|more| (0..MOST).contains(more))?;
        last = first.checked_add(more)?;
        offsets.extend(first..=last);
    }
    Some(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn runs_are_short() {
        assert_eq!(write([105, 106, 107, 110], 100), "5+2,3");
        assert_eq!(read("5+2,3", 100), Some([105, 106, 107, 110].into()));
        assert_eq!(read("", 7), Some([].into()));
        for bad in ["x", "1+", "1+x", "1+99999999999", "9223372036854775807,1"] {
            assert_eq!(read(bad, 100), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn text_and_offsets_agree(offsets in prop::collection::btree_set(0i64..3000, 0..300), base in 0i64..1000) {
            let offsets: BTreeSet<i64> = offsets.into_iter().map(|o| o + base).collect();
            prop_assert_eq!(read(&write(offsets.iter().copied(), base), base), Some(offsets));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}", base: i64) {
            let _ = read(&text, base);
        }
    }
}
