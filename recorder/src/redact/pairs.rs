//! `name=value&name=value`: queries and forms (the WHATWG's `application/x-www-form-urlencoded`).

use std::borrow::Cow;

use super::names::Names;
use super::pen::{Pen, Place};

/// The pairs without their secrets; nothing where there are none. Bytes outside of secrets stay as they came.
pub(super) fn redact(place: Place, names: &Names, text: &[u8], pen: Pen<'_>) -> Option<Vec<u8>> {
    if names.is_empty() {
        return None;
    }
    let (mut kept, mut changed) = (Vec::with_capacity(text.len()), false);
    let mut first = true;
    for pair in text.split(|b| *b == b'&') {
        let one = one(place, names, pair, pen);
        changed |= !matches!(one, Pair::Kept);
        let pair = match &one {
            Pair::Kept => pair,
            Pair::Changed(pair) => pair,
            Pair::Dropped => continue,
        };
        if !std::mem::take(&mut first) {
            kept.push(b'&');
        }
        kept.extend_from_slice(pair);
    }
    changed.then_some(kept)
}

enum Pair {
    Kept,
    Changed(Vec<u8>),
    Dropped,
}

fn one(place: Place, names: &Names, pair: &[u8], pen: Pen<'_>) -> Pair {
    // Some services part pairs by `;` too. What follows a name is then taken to the end, since others do not.
    let mut start = 0;
    loop {
        let part = &pair[start..];
        if let Some(equals) = memchr::memchr(b'=', part)
            && let Some(action) = names.get(&decoded(&part[..equals]))
        {
            let value = &part[equals + 1..];
            return match pen.stand_in(place, action, &decoded(value)) {
                Some(with) => Pair::Changed([&pair[..start + equals + 1], &with].concat()),
                None if start == 0 => Pair::Dropped,
                None => Pair::Changed(pair[..start - 1].to_vec()),
            };
        }
        match memchr::memchr(b';', part) {
            Some(semicolon) => start += semicolon + 1,
            None => return Pair::Kept,
        }
    }
}

/// Without percent-encoding, and with `+` for a space.
fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|b| matches!(b, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let (mut all, mut at) = (Vec::with_capacity(text.len()), 0);
    while at < text.len() {
        let byte = match (text[at], text.get(at + 1..at + 3).and_then(hex)) {
            (b'%', Some(byte)) => {
                at += 2;
                byte
            }
            (b'+', _) => b' ',
            (byte, _) => byte,
        };
        all.push(byte);
        at += 1;
    }
    Cow::Owned(all)
}

fn hex(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some(digit(*digits.first()?)? << 4 | digit(*digits.get(1)?)?)
}
