//! JSON (RFC 8259), read strictly: the bytes of a secret are replaced where they stand, and no other byte is touched.
//!
//! What another parser might read in another way (a comment, a single quote, a comma too many) is malformed here: who
//! is strict cannot overlook a secret that somebody else sees. Several values may follow each other (NDJSON, RFC 7464).

use std::borrow::Cow;

use super::pointer::{At, Pointer, enter, hit, start};
use crate::redact::edits::Edits;
use crate::redact::pen::{Pen, Place};
use crate::rules::Action;

/// The document is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A deeper document is refused, as most parsers do.
const DEEPEST: usize = 128;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Stands before each text of a sequence (RFC 7464).
const RECORD_SEPARATOR: u8 = 0x1e;

/// The document without its secrets; nothing where it has none.
pub(super) fn redact(pointers: &[Pointer], text: &[u8], pen: Pen<'_>) -> Result<Option<Vec<u8>>, Malformed> {
    let at = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let mut reader = Reader { text, at, pointers, pen, edits: Edits::default() };
    let start = start(pointers);
    loop {
        reader.blank();
        while reader.take(RECORD_SEPARATOR) {
            reader.blank();
        }
        if reader.peek().is_none() {
            return Ok(reader.edits.apply(text));
        }
        reader.value(&start, 0)?;
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    pointers: &'a [Pointer],
    pen: Pen<'a>,
    edits: Edits,
}

impl<'a> Reader<'a> {
    fn value(&mut self, places: &[At], depth: usize) -> Result<(), Malformed> {
        let action = hit(self.pointers, places);
        let start = self.at;
        // Within a secret there is nothing to look for.
        let places = if action.is_some() { &[] } else { places };
        match self.peek().ok_or(Malformed)? {
            b'{' => self.object(places, depth)?,
            b'[' => self.array(places, depth)?,
            b'"' => drop(self.string()?),
            b't' => self.word(b"true")?,
            b'f' => self.word(b"false")?,
            b'n' => self.word(b"null")?,
            _ => self.number()?,
        }
        if let Some(action) = action {
            self.replace(start, action)?;
        }
        Ok(())
    }

    /// Puts a string, or null, in the place of what was read since `start`.
    fn replace(&mut self, start: usize, action: Action) -> Result<(), Malformed> {
        let value = &self.text[start..self.at];
        let value = if value.starts_with(b"\"") { unescaped(value)? } else { Cow::Borrowed(value) };
        let with = match self.pen.stand_in(Place::Json, action, &value) {
            Some(with) => [b"\"", &with[..], b"\""].concat(),
            None => b"null".to_vec(),
        };
        self.edits.replace(start..self.at, with);
        Ok(())
    }

    fn object(&mut self, places: &[At], depth: usize) -> Result<(), Malformed> {
        self.open(depth)?;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let name = self.string()?;
            let inner = match places {
                [] => Vec::new(),
                _ => enter(self.pointers, places, &unescaped(name)?),
            };
            self.blank();
            self.expect(b':')?;
            self.blank();
            self.value(&inner, depth + 1)?;
            if self.closes(b'}')? {
                return Ok(());
            }
        }
    }

    fn array(&mut self, places: &[At], depth: usize) -> Result<(), Malformed> {
        self.open(depth)?;
        if self.take(b']') {
            return Ok(());
        }
        for index in 0usize.. {
            let inner = match places {
                [] => Vec::new(),
                _ => enter(self.pointers, places, index.to_string().as_bytes()),
            };
            self.value(&inner, depth + 1)?;
            if self.closes(b']')? {
                break;
            }
        }
        Ok(())
    }

    fn open(&mut self, depth: usize) -> Result<(), Malformed> {
        if depth >= DEEPEST {
            return Err(Malformed);
        }
        self.at += 1;
        self.blank();
        Ok(())
    }

    /// Behind a member: whether the container ends; else another one follows.
    fn closes(&mut self, end: u8) -> Result<bool, Malformed> {
        self.blank();
        if self.take(end) {
            return Ok(true);
        }
        self.expect(b',')?;
        self.blank();
        Ok(false)
    }

    /// A string with its quotes, as it stands.
    fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let start = self.at;
        self.expect(b'"')?;
        loop {
            match self.peek().ok_or(Malformed)? {
                b'"' => break,
                b'\\' => {
                    let escaped = self.text.get(self.at + 1).ok_or(Malformed)?;
                    if !b"\"\\/bfnrtu".contains(escaped) {
                        return Err(Malformed);
                    }
                    self.at += 2;
                }
                0..0x20 => return Err(Malformed),
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Ok(&self.text[start..self.at])
    }

    fn number(&mut self) -> Result<(), Malformed> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        match self.peek() {
            // `01`, `1x`: to some a number and something else.
            Some(b) if b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'"' | b'\'') => Err(Malformed),
            _ => Ok(()),
        }
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let count = self.text[self.at..].iter().take_while(|b| b.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(Malformed) } else { Ok(()) }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Malformed> {
        if !self.text[self.at..].starts_with(word) {
            return Err(Malformed);
        }
        self.at += word.len();
        Ok(())
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.take(byte) { Ok(()) } else { Err(Malformed) }
    }
}

/// What a string says, without quotes.
fn unescaped(string: &[u8]) -> Result<Cow<'_, [u8]>, Malformed> {
    let inner = string.get(1..string.len() - 1).ok_or(Malformed)?;
    if memchr::memchr(b'\\', inner).is_none() {
        return Ok(Cow::Borrowed(inner));
    }
    serde_json::from_slice::<String>(string).map(|text| Cow::Owned(text.into_bytes())).map_err(|_| Malformed)
}
