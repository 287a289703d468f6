//! `multipart/form-data` (RFC 7578, RFC 2046), read strictly.

use std::ops::Range;

use super::json::Malformed;
use crate::redact::edits::Edits;
use crate::redact::names::Names;
use crate::redact::pen::{Pen, Place};

/// One field of a form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Its name.
    name: Vec<u8>,
    /// Its content type in lower case, without parameters; empty where it says none.
    pub(super) content_type: Vec<u8>,
    /// Its delimiter and all that follows, up to the next one.
    whole: Range<usize>,
    /// What it holds.
    content: Range<usize>,
}

/// The parts of a body, of which the named are redacted, and the others as `other` says.
pub(super) fn redact(
    names: &Names,
    boundary: &[u8],
    body: &[u8],
    pen: Pen<'_>,
    other: impl Fn(&[u8], &[u8]) -> Result<Option<Vec<u8>>, Malformed>,
) -> Result<Option<Vec<u8>>, Malformed> {
    let mut edits = Edits::default();
    for part in parts(boundary, body)? {
        let content = &body[part.content.clone()];
        match names.get(&part.name) {
            Some(action) => match pen.stand_in(Place::Multipart, action, content) {
                Some(with) => edits.replace(part.content, with),
                None => edits.replace(part.whole, Vec::new()),
            },
            None => {
                if let Some(with) = other(&part.content_type, content)? {
                    edits.replace(part.content, with);
                }
            }
        }
    }
    Ok(edits.apply(body))
}

/// The boundary that a content type names.
pub(super) fn boundary(content_type: &[u8]) -> Option<Vec<u8>> {
    const LONGEST: usize = 70;
    let boundary = parameter(content_type, b"boundary").ok()??;
    (1..=LONGEST).contains(&boundary.len()).then_some(boundary)
}

fn parts(boundary: &[u8], body: &[u8]) -> Result<Vec<Part>, Malformed> {
    let delimiter = [b"\r\n--", boundary].concat();
    let finder = memchr::memmem::Finder::new(&delimiter);
    let mut parts = Vec::new();
    // The first delimiter needs no line end before it; what stands before it, a preamble, is for nobody.
    let mut at = if body.starts_with(&delimiter[2..]) { delimiter.len() - 2 } else { return Err(Malformed) };
    let mut whole = 0;
    loop {
        if body[at..].starts_with(b"--") {
            // Behind the end, nothing but a line end: an epilogue would not be looked into.
            return if body[at + 2..].trim_ascii().is_empty() { Ok(parts) } else { Err(Malformed) };
        }
        let blank = body[at..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        if !body[at + blank..].starts_with(b"\r\n") {
            return Err(Malformed);
        }
        let start = at + blank;
        let end = start + finder.find(&body[start..]).ok_or(Malformed)?;
        // From the line end before the header, so that an empty header is one too.
        let head = memchr::memmem::find(&body[start..end], b"\r\n\r\n").ok_or(Malformed)?;
        let (name, content_type) = header(body.get(start + 2..start + head).ok_or(Malformed)?)?;
        parts.push(Part { name, content_type, whole: whole..end + 2, content: start + head + 4..end });
        whole = end + 2;
        at = end + delimiter.len();
    }
}

/// The name and the content type of a part.
fn header(header: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Malformed> {
    let (mut name, mut content_type) = (None, Vec::new());
    for line in header.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = memchr::memchr(b':', line).ok_or(Malformed)?;
        let value = line[colon + 1..].trim_ascii();
        match &line[..colon].trim_ascii().to_ascii_lowercase()[..] {
            b"content-disposition" => {
                let given = parameter(value, b"name")?.ok_or(Malformed)?;
                // Who reads the other form, or the other of two, would see another name.
                if name.replace(given).is_some() || parameter(value, b"name*")?.is_some() {
                    return Err(Malformed);
                }
            }
            b"content-type" => {
                let kind = value.split(|b| *b == b';').next().unwrap_or_default();
                content_type = kind.trim_ascii().to_ascii_lowercase();
            }
            _ => {}
        }
    }
    name.map(|name| (name, content_type)).ok_or(Malformed)
}

/// The value of a parameter: `…; name=value` or `…; name="va\"lue"`. Twice the same is malformed.
fn parameter(value: &[u8], name: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    let mut found = None;
    let mut rest = &value[memchr::memchr(b';', value).unwrap_or(value.len())..];
    while let Some(parameter) = rest.strip_prefix(b";") {
        let parameter = parameter.trim_ascii_start();
        if parameter.is_empty() {
            break;
        }
        let equals = memchr::memchr(b'=', parameter).ok_or(Malformed)?;
        let is_wanted = parameter[..equals].trim_ascii().eq_ignore_ascii_case(name);
        let (text, behind) = value_of(parameter[equals + 1..].trim_ascii_start())?;
        if is_wanted && found.replace(text).is_some() {
            return Err(Malformed);
        }
        rest = behind.trim_ascii_start();
    }
    if rest.is_empty() || rest.starts_with(b";") { Ok(found) } else { Err(Malformed) }
}

/// A token or a quoted string, and what follows it.
fn value_of(text: &[u8]) -> Result<(Vec<u8>, &[u8]), Malformed> {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|b| *b == b';').unwrap_or(text.len());
        return Ok((text[..end].trim_ascii_end().to_vec(), &text[end..]));
    };
    let (mut value, mut at) = (Vec::new(), 0);
    loop {
        match quoted.get(at).ok_or(Malformed)? {
            b'"' => return Ok((value, &quoted[at + 1..])),
            // Browsers send a lone backslash in a file's name; before other characters it stands for itself.
            b'\\' if matches!(quoted.get(at + 1), Some(b'"' | b'\\')) => {
                value.extend(quoted.get(at + 1));
                at += 2;
            }
            byte => {
                value.push(*byte);
                at += 1;
            }
        }
    }
}
