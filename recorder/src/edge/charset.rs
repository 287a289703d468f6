//! Sets of bytes as tables: every byte of a head is looked up in one or two of them.

/// Letters, digits, and some others.
pub(super) struct Charset([bool; 256]);

impl Charset {
    /// Letters and digits, and these.
    pub(super) const fn alphanumeric_and(others: &[u8]) -> Self {
        let mut table = [false; 256];
        let (mut at, mut other) = (0usize, 0);
        while at < table.len() {
            table[at] = (at as u8).is_ascii_alphanumeric();
            at += 1;
        }
        while other < others.len() {
            table[others[other] as usize] = true;
            other += 1;
        }
        Self(table)
    }

    /// Whether a byte is one of them.
    pub(super) fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte)]
    }
}
