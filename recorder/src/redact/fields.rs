//! Header and trailer sections.

use umbra_common::exchange::Fields;

use super::Redactor;
use super::client::{self, Client};
use super::cookies::{self, SetCookie};
use super::names::Sieve;
use super::pen::{Pen, Place};

/// Fields that hold a URL: their queries say as much as a target's.
pub(super) const URLS: [&[u8]; 10] = [
    b"referer",
    b"location",
    b"content-location",
    b"x-original-url",
    b"x-original-uri",
    b"x-rewrite-url",
    b"x-forwarded-uri",
    b"x-envoy-original-path",
    b"x-http-destinationurl",
    b"refresh",
];

const COOKIE: &[u8] = b"cookie";
const SET_COOKIE: &[u8] = b"set-cookie";

/// What becomes of one field.
enum Field {
    Kept,
    Changed(Vec<u8>),
    Dropped,
}

impl Redactor {
    /// All names of fields to which anything may be done: most fields have none of them.
    pub(super) fn concerned(&self) -> Sieve {
        let mut sieve = Sieve::default();
        self.headers.names().chain(URLS).for_each(|name| sieve.add(name));
        if !self.cookies.is_empty() {
            [COOKIE, SET_COOKIE].iter().for_each(|name| sieve.add(name));
        }
        if self.client.is_some() {
            client::FIELDS.iter().for_each(|name| sieve.add(name));
        }
        sieve
    }

    /// A section without its secrets. Fields stay in their order, and a masked one in its place.
    pub(super) fn section(&self, fields: &mut Fields, pen: Pen<'_>) {
        if !fields.iter().any(|(name, _)| self.fields.may_have(name)) {
            return;
        }
        let mut changed: Option<Fields> = None;
        for (at, (name, value)) in fields.iter().enumerate() {
            let field = if self.fields.may_have(name) { self.field(name, value, pen) } else { Field::Kept };
            if matches!(field, Field::Kept) && changed.is_none() {
                continue;
            }
            let kept = changed.get_or_insert_with(|| {
                let mut kept = Fields::with_capacity(fields.len(), fields.byte_len());
                for (name, value) in fields.iter().take(at) {
                    kept.push(name, value);
                }
                kept
            });
            match field {
                Field::Kept => kept.push(name, value),
                Field::Changed(value) => kept.push(name, value),
                Field::Dropped => continue,
            };
        }
        if let Some(changed) = changed {
            *fields = changed;
        }
    }

    fn field(&self, name: &[u8], value: &[u8], pen: Pen<'_>) -> Field {
        if let Some(action) = self.headers.get(name) {
            return pen.stand_in(Place::Header, action, value).map_or(Field::Dropped, Field::Changed);
        }
        let changed = match name {
            COOKIE if !self.cookies.is_empty() => cookies::request(&self.cookies, value, pen),
            SET_COOKIE if !self.cookies.is_empty() => {
                return match cookies::response(&self.cookies, value, pen) {
                    SetCookie::Kept => Field::Kept,
                    SetCookie::Changed(value) => Field::Changed(value),
                    SetCookie::Dropped => Field::Dropped,
                };
            }
            _ if URLS.contains(&name) => self.url(value, pen),
            _ => match self.client_field(name, value, pen) {
                Some(Client::Changed(value)) => Some(value),
                Some(Client::Dropped) => return Field::Dropped,
                None => None,
            },
        };
        changed.map_or(Field::Kept, Field::Changed)
    }
}
