//! Redaction: secrets are taken out before the store, never after.
//!
//! A masked field stays in its place with `***` for a value, so that what was sent can still be seen to have been sent.

use http::HeaderName;
use umbra_common::exchange::{Exchange, Fields};

const MASK: &[u8] = b"***";

/// Masks the values of the configured fields.
#[derive(Clone, Debug)]
pub(crate) struct Redactor {
    names: Vec<HeaderName>,
    /// A bit for each length that a name has: most fields are told apart by it alone.
    lengths: u64,
}

fn length_bit(length: usize) -> u64 {
    1 << length.min(63)
}

impl Redactor {
    pub(crate) fn new(names: Vec<HeaderName>) -> Self {
        let lengths = names.iter().fold(0, |bits, name| bits | length_bit(name.as_str().len()));
        Self { names, lengths }
    }

    /// Masks in every section of an exchange: header and trailers, request and response.
    pub(crate) fn redact(&self, exchange: &mut Exchange) {
        let request = &mut exchange.request;
        self.section(&mut request.headers);
        self.section(&mut request.trailers);
        if let Some(response) = &mut exchange.response {
            self.section(&mut response.headers);
            self.section(&mut response.trailers);
        }
    }

    fn section(&self, fields: &mut Fields) {
        if !fields.iter().any(|(name, _)| self.masks(name)) {
            return;
        }
        let mut masked = Fields::with_capacity(fields.len(), fields.byte_len());
        for (name, value) in fields.iter() {
            masked.push(name, if self.masks(name) { MASK } else { value });
        }
        *fields = masked;
    }

    fn masks(&self, name: &[u8]) -> bool {
        self.lengths & length_bit(name.len()) != 0 && self.names.iter().any(|masked| masked.as_str().as_bytes() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{COOKIE, SET_COOKIE};

    #[test]
    fn every_value_of_a_masked_field_is_masked_in_its_place() {
        let redactor = Redactor::new(vec![COOKIE, SET_COOKIE]);
        let mut fields: Fields =
            [("a", "1"), ("Cookie", "sid=hunter2"), ("b", "2"), ("cookie", ""), ("cookies", "x")].into_iter().collect();
        redactor.section(&mut fields);
        let seen: Vec<_> = fields.iter().collect();
        let expected = [("a", "1"), ("cookie", "***"), ("b", "2"), ("cookie", "***"), ("cookies", "x")];
        assert_eq!(seen, expected.map(|(n, v)| (n.as_bytes(), v.as_bytes())));
    }

    #[test]
    fn what_is_not_named_is_left_alone() {
        let before: Fields = [("authorization", "Basic x")].into_iter().collect();
        let mut after = before.clone();
        Redactor::new(vec![COOKIE]).section(&mut after);
        assert_eq!(after, before);
    }
}
