//! Names, and what is done to the values that stand under them.

use crate::rules::Action;

/// Names of one kind. The first that was added for a name stays.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    all: Vec<(Vec<u8>, Action)>,
    /// A bit for each length that a name has: most others are told apart by it alone.
    lengths: u64,
}

fn length_bit(length: usize) -> u64 {
    1 << length.min(63)
}

impl Names {
    pub(super) fn add(&mut self, name: &str, action: Action) {
        if self.get(name.as_bytes()).is_none() {
            self.all.push((name.as_bytes().to_vec(), action));
            self.lengths |= length_bit(name.len());
        }
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<Action> {
        if self.lengths & length_bit(name.len()) == 0 {
            return None;
        }
        self.all.iter().find(|(n, _)| n == name).map(|(_, action)| *action)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (String, Action)> {
        self.all.iter().map(|(name, action)| (String::from_utf8_lossy(name).into_owned(), *action))
    }
}
