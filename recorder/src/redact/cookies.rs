//! Cookies by name, within `cookie` and `set-cookie` (RFC 6265).

use super::edits::Edits;
use super::names::Names;
use super::pen::{Pen, Place};

/// `a=1; b=2` without the secrets among them; nothing where there are none.
pub(super) fn request(names: &Names, field: &[u8], pen: Pen<'_>) -> Option<Vec<u8>> {
    let mut edits = Edits::default();
    let mut at = 0;
    while at < field.len() {
        let cookie = Cookie::at(field, at);
        if let Some(action) = names.get(cookie.name(field)).filter(|_| cookie.has_value()) {
            match pen.stand_in(Place::Cookie, action, cookie.value(field)) {
                Some(with) => edits.replace(cookie.equals + 1..cookie.end, with),
                // With what parts it from the next.
                None => edits.replace(at..(cookie.end + 1).min(field.len()), Vec::new()),
            }
        }
        at = cookie.end + 1;
    }
    edits.apply(field)
}

/// What became of a `set-cookie` field.
pub(super) enum SetCookie {
    Kept,
    Changed(Vec<u8>),
    Dropped,
}

/// `a=1; Path=/` with what stands for its value, where that is a secret.
pub(super) fn response(names: &Names, field: &[u8], pen: Pen<'_>) -> SetCookie {
    let cookie = Cookie::at(field, 0);
    let action = names.get(cookie.name(field)).filter(|_| cookie.has_value());
    let Some(action) = action else { return SetCookie::Kept };
    match pen.stand_in(Place::Cookie, action, cookie.value(field)) {
        Some(with) => SetCookie::Changed([&field[..cookie.equals + 1], &with, &field[cookie.end..]].concat()),
        None => SetCookie::Dropped,
    }
}

/// Where one cookie stands in a field.
struct Cookie {
    start: usize,
    /// Its `=`, or its end where it has none.
    equals: usize,
    /// The `;` behind it, or the end of the field.
    end: usize,
}

impl Cookie {
    fn at(field: &[u8], start: usize) -> Self {
        let rest = &field[start..];
        let semicolon = memchr::memchr(b';', rest).unwrap_or(rest.len());
        let equals = memchr::memchr(b'=', &rest[..semicolon]).unwrap_or(semicolon);
        // Some services take a `;` within quotes for a part of the value.
        let value = rest.get(equals + 1..).unwrap_or_default();
        let blank = value.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let end = match value[blank..].strip_prefix(b"\"").and_then(|quoted| memchr::memchr(b'"', quoted)) {
            Some(quote) => {
                let behind = equals + 1 + blank + quote + 2;
                behind + memchr::memchr(b';', &rest[behind..]).unwrap_or(rest.len() - behind)
            }
            None => semicolon,
        };
        Self { start, equals: start + equals, end: start + end }
    }

    fn has_value(&self) -> bool {
        self.equals < self.end
    }

    fn name<'a>(&self, field: &'a [u8]) -> &'a [u8] {
        field[self.start..self.equals].trim_ascii()
    }

    /// Without quotes.
    fn value<'a>(&self, field: &'a [u8]) -> &'a [u8] {
        let value = field.get(self.equals + 1..self.end).unwrap_or_default().trim_ascii();
        value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value)
    }
}
