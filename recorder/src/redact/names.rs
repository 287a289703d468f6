//! Names, and what is done to the values that stand under them.

use crate::rules::Action;

/// What most names are told apart by from those of a set: their lengths and first bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Sieve([u64; 4]);

impl Sieve {
    pub(super) fn add(&mut self, name: &[u8]) {
        let (word, bit) = place(name);
        self.0[word] |= bit;
    }

    /// Never false for a name that was added.
    pub(super) fn may_have(&self, name: &[u8]) -> bool {
        let (word, bit) = place(name);
        self.0[word] & bit != 0
    }
}

fn place(name: &[u8]) -> (usize, u64) {
    /// Odd, so that lengths are spread.
    const SPREAD: u8 = 37;
    let first = name.first().copied().unwrap_or_default();
    let at = first ^ (name.len() as u8).wrapping_mul(SPREAD);
    (usize::from(at / 64), 1 << (at % 64))
}

/// Names of one kind. The first that was added for a name stays.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    all: Vec<(Vec<u8>, Action)>,
    sieve: Sieve,
}

impl Names {
    pub(super) fn add(&mut self, name: &str, action: Action) {
        if self.get(name.as_bytes()).is_none() {
            self.all.push((name.as_bytes().to_vec(), action));
            self.sieve.add(name.as_bytes());
        }
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<Action> {
        if !self.sieve.may_have(name) {
            return None;
        }
        self.all.iter().find(|(n, _)| n == name).map(|(_, action)| *action)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.all.iter().map(|(name, _)| &name[..])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (String, Action)> {
        self.all.iter().map(|(name, action)| (String::from_utf8_lossy(name).into_owned(), *action))
    }
}
