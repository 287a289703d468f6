//! One request head, whole: the request line, the fields, and how long the body is.

use super::HeadLimits;
use super::mask::is_plain;
use crate::edge::Refusal;
use crate::edge::charset::Charset;
use crate::edge::host::is_authority;

/// How the body that follows a head is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes; none where nothing is announced.
    Sized(u64),
    /// The chunked coding.
    Chunked,
}

/// What follows from a sound head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    /// How long the body is.
    pub(super) framing: Framing,
    /// It asks for another protocol, which HTTP/1.0 cannot (RFC 9110, 7.8).
    pub(super) asks_upgrade: bool,
    /// The library would refuse a byte of its target.
    pub(super) is_odd: bool,
}

/// A head that the guard let through, taken apart: what the record is made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeadView<'a> {
    /// The method token.
    pub(crate) method: &'a [u8],
    /// The target as received.
    pub(crate) target: &'a [u8],
    /// HTTP/1.1; else 1.0.
    pub(crate) is_11: bool,
    fields: &'a [u8],
}

impl<'a> HeadView<'a> {
    /// Takes a head apart. `None` where it is none; never for what [`Guard::take_head`](super::Guard::take_head) gave.
    pub(crate) fn of(head: &'a [u8]) -> Option<Self> {
        let end = memchr::memchr(b'\r', head)?;
        let (line, fields) = (&head[..end], head.get(end + 2..)?);
        let [method, target, version] = request_line(line).ok()?;
        Some(Self { method, target, is_11: version == b"HTTP/1.1", fields })
    }

    /// The fields in order: name as received, value without the white space around it.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        lines(self.fields).filter_map(split_field)
    }
}

/// Checks a whole head and says what follows from it.
pub(super) fn check(head: &[u8], limits: HeadLimits) -> Result<Checked, Refusal> {
    let end = memchr::memchr(b'\r', head).ok_or(Refusal::RequestLine)?;
    let [method, target, version] = request_line(&head[..end])?;
    let is_11 = is_11(version)?;
    if target.len() > limits.target {
        return Err(Refusal::TargetTooLong);
    }
    let is_odd = !target.iter().all(|b| is_plain(*b));
    let authority = check_target(method, target, is_odd)?;

    let (mut host, mut length, mut coding, mut count) = (None, None, None, 0usize);
    let mut asks_upgrade = false;
    for line in lines(&head[end + 2..]) {
        count += 1;
        if count > limits.fields {
            return Err(Refusal::TooManyFields);
        }
        let (name, value) = check_field(line)?;
        let (slot, fault) = match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => (&mut host, Refusal::ManyHosts),
            14 if name.eq_ignore_ascii_case(b"content-length") => (&mut length, Refusal::ContentLength),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => (&mut coding, Refusal::TransferEncoding),
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                asks_upgrade = is_11;
                continue;
            }
            _ => continue,
        };
        if slot.replace(value).is_some() {
            return Err(fault);
        }
    }
    check_host(is_11, host, authority)?;
    Ok(Checked { framing: framing(is_11, length, coding)?, asks_upgrade, is_odd })
}

/// Method, target and version.
fn request_line(line: &[u8]) -> Result<[&[u8]; 3], Refusal> {
    let mut parts = line.split(|b| *b == b' ');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(method), Some(target), Some(version), None)
            if !method.is_empty() && method.iter().all(|b| is_token(*b)) && !target.is_empty() =>
        {
            Ok([method, target, version])
        }
        _ => Err(Refusal::RequestLine),
    }
}

fn is_11(version: &[u8]) -> Result<bool, Refusal> {
    match version {
        b"HTTP/1.1" => Ok(true),
        b"HTTP/1.0" => Ok(false),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Err(Refusal::Version)
        }
        _ => Err(Refusal::RequestLine),
    }
}

/// The authority of an absolute-form target, where it is one (RFC 9112, 3.2).
fn check_target<'a>(method: &[u8], target: &'a [u8], is_odd: bool) -> Result<Option<&'a [u8]>, Refusal> {
    if method == b"CONNECT" {
        return Err(Refusal::Connect);
    }
    // Visible ASCII, and what is beyond ASCII, which services do see.
    if is_odd && target.iter().any(|b| matches!(b, 0..=b' ' | 0x7f)) {
        return Err(Refusal::TargetForm);
    }
    if target.contains(&b'#') {
        return Err(Refusal::Fragment);
    }
    if target == b"*" {
        return if method == b"OPTIONS" { Ok(None) } else { Err(Refusal::Asterisk) };
    }
    if target[0] == b'/' {
        return Ok(None);
    }
    let rest = strip_scheme(target).ok_or(Refusal::TargetForm)?;
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
    if is_authority(&rest[..end]) { Ok(Some(&rest[..end])) } else { Err(Refusal::BadHost) }
}

fn strip_scheme(target: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://"].iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

fn check_host(is_11: bool, host: Option<&[u8]>, authority: Option<&[u8]>) -> Result<(), Refusal> {
    match (host, authority) {
        (None, _) if is_11 => Err(Refusal::NoHost),
        (None, _) => Ok(()),
        (Some(host), _) if !is_authority(host) => Err(Refusal::BadHost),
        (Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority) => Err(Refusal::HostMismatch),
        _ => Ok(()),
    }
}

fn framing(is_11: bool, length: Option<&[u8]>, coding: Option<&[u8]>) -> Result<Framing, Refusal> {
    match (length, coding) {
        (None, None) => Ok(Framing::Sized(0)),
        (Some(length), None) => plain_number(length).map(Framing::Sized).ok_or(Refusal::ContentLength),
        (Some(_), Some(_)) => Err(Refusal::ContentLength),
        (None, Some(_)) if !is_11 => Err(Refusal::TransferEncoding),
        (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        // A single other coding is one that we lack; a list, or an odd byte, is an attempt.
        (None, Some(coding)) if !coding.is_empty() && coding.iter().all(|b| is_token(*b)) => {
            Err(Refusal::TransferCoding)
        }
        (None, Some(_)) => Err(Refusal::TransferEncoding),
    }
}

fn plain_number(digits: &[u8]) -> Option<u64> {
    /// One less than those of 2^64: no overflow, and far more than any body.
    const MOST: usize = 19;
    ((1..=MOST).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit))
        .then(|| digits.iter().fold(0u64, |n, d| n.saturating_mul(10).saturating_add(u64::from(d - b'0'))))
        .filter(|n| *n < u64::MAX >> 1)
}

/// The lines of a section up to its empty line, each without its end.
fn lines(section: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = section;
    std::iter::from_fn(move || {
        let end = memchr::memchr(b'\n', rest)?;
        let line = rest[..end].strip_suffix(b"\r")?;
        rest = &rest[end + 1..];
        (!line.is_empty()).then_some(line)
    })
}

/// The fields of a response's head as an origin wrote it, in order. It may end lines with the line feed alone (RFC 9112, 2.2);
/// what stands behind the empty line is not of the head.
pub(crate) fn response_fields(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = head;
    let mut line = move || {
        let end = memchr::memchr(b'\n', rest)?;
        let line = &rest[..end];
        rest = &rest[end + 1..];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    };
    let _status = line();
    std::iter::from_fn(line).take_while(|line| !line.is_empty()).filter_map(split_field)
}

/// The name and the value of a field line, the value without the white space around it.
pub(super) fn check_field(line: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    let (name, value) = split_field(line).ok_or(Refusal::Field)?;
    // A folded line begins with white space, which is no token; so does a space before the colon end one.
    if name.is_empty() || !name.iter().all(|b| is_token(*b)) {
        return Err(Refusal::Field);
    }
    // Not `any`: a look at all of them is done for many at once.
    if value.iter().fold(false, |found, b| found | matches!(b, 0..=8 | 0x0a..=0x1f | 0x7f)) {
        return Err(Refusal::Field);
    }
    Ok((name, value))
}

fn split_field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    // A name is short: sooner gone through than a search for many bytes at once has begun.
    let colon = line.iter().position(|b| *b == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let start = value.iter().position(|b| !blank(b)).unwrap_or(value.len());
    let end = value.iter().rposition(|b| !blank(b)).map_or(start, |at| at + 1);
    Some((name, &value[start..end]))
}

const TOKEN: Charset = Charset::alphanumeric_and(b"!#$%&'*+-.^_`|~");

fn is_token(byte: u8) -> bool {
    TOKEN.has(byte)
}
