//! What is written in the place of a secret, and how often.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::rules::Action;

/// What stands for a masked value, so that what was sent can still be seen to have been sent.
pub(super) const MASK: &[u8] = b"***";

/// Begins what stands for a hashed value, so that it can be told from one that was sent.
const HASHED: &str = "hmac-";

/// Of an HMAC-SHA256, so many bytes stand for a value: 96 bits. Two values of one place meet by chance once in 2^48.
const DIGEST_BYTES: usize = 12;

/// A shorter key can be guessed along with the values.
pub(super) const SHORTEST_KEY: usize = 16;

/// The key of keyed hashes. Never shown.
#[derive(Clone)]
pub(super) struct Key(Hmac<Sha256>);

impl Key {
    /// Nothing where the key is too short.
    pub(super) fn new(secret: &str) -> Option<Self> {
        if secret.len() < SHORTEST_KEY {
            return None;
        }
        Hmac::new_from_slice(secret.as_bytes()).ok().map(Self)
    }

    /// The whole digest of a value.
    pub(super) fn digest(&self, value: &[u8]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(value);
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

/// Where a value stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Client,
    Header,
    Cookie,
    UserInfo,
    Query,
    Path,
    Json,
    Form,
    Multipart,
    Text,
}

impl Place {
    pub(crate) const ALL: [Self; 10] = [
        Self::Client,
        Self::Header,
        Self::Cookie,
        Self::UserInfo,
        Self::Query,
        Self::Path,
        Self::Json,
        Self::Form,
        Self::Multipart,
        Self::Text,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Header => "header",
            Self::Cookie => "cookie",
            Self::UserInfo => "userinfo",
            Self::Query => "query",
            Self::Path => "path",
            Self::Json => "json",
            Self::Form => "form",
            Self::Multipart => "multipart",
            Self::Text => "text",
        }
    }
}

/// Why the copy of a body was dropped: it may hold a secret, and cannot be looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyDrop {
    /// Its coding is not known.
    Coding,
    /// It is not in the coding that it is said to be in.
    Broken,
    /// Decoded, it is over the limit.
    TooLarge,
    /// Its end was not kept.
    Truncated,
    /// It is not in the format that it is said to be in.
    Malformed,
}

impl BodyDrop {
    pub(crate) const ALL: [Self; 5] = [Self::Coding, Self::Broken, Self::TooLarge, Self::Truncated, Self::Malformed];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Coding => "coding",
            Self::Broken => "broken",
            Self::TooLarge => "too_large",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
        }
    }
}

/// How often what was redacted, by the store's thread.
#[derive(Debug, Default)]
pub(crate) struct Redactions {
    values: [AtomicU64; Place::ALL.len()],
    bodies: [AtomicU64; BodyDrop::ALL.len()],
}

impl Redactions {
    pub(super) fn dropped(&self, why: BodyDrop) {
        self.bodies[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Values by place.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Place::ALL.iter().map(|place| (place.as_str(), self.values[*place as usize].load(Ordering::Relaxed)))
    }

    /// Bodies that were dropped, by reason.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = (&'static str, u64)> {
        BodyDrop::ALL.iter().map(|why| (why.as_str(), self.bodies[*why as usize].load(Ordering::Relaxed)))
    }
}

/// Writes what stands for secrets, and counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pen<'a> {
    pub(super) key: Option<&'a Key>,
    pub(super) redactions: &'a Redactions,
}

impl Pen<'_> {
    /// What stands for a value; nothing where it is taken out.
    pub(super) fn stand_in(&self, place: Place, action: Action, value: &[u8]) -> Option<Vec<u8>> {
        self.count(place);
        match (action, self.key) {
            (Action::Drop, _) => None,
            (Action::Hash, Some(key)) => Some(hashed(&key.digest(value))),
            // Rules that hash without a key are refused; should one come here, nothing leaks.
            (Action::Mask | Action::Hash, _) => Some(MASK.to_vec()),
        }
    }

    pub(super) fn count(&self, place: Place) {
        self.redactions.values[place as usize].fetch_add(1, Ordering::Relaxed);
    }
}

fn hashed(digest: &[u8]) -> Vec<u8> {
    use std::fmt::Write;
    let hex = digest.iter().take(DIGEST_BYTES).fold(HASHED.to_owned(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    hex.into_bytes()
}
