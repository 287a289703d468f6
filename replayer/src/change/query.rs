//! Query parameters that are set, removed or renamed. Those that no rule names stay byte for byte.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use super::EditParseError;
use crate::text::serde_as_text;

/// `NAME=VALUE`: the parameter gets this one value, in the place of the first or at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetQuery {
    name: String,
    value: String,
}

/// `NAME`: the parameter is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveQuery(String);

/// `OLD=NEW`: the parameter is sent by another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenameQuery {
    from: String,
    to: String,
}

impl SetQuery {
    /// Of a name and a value, neither of them encoded.
    pub fn new(name: &str, value: &str) -> Result<Self, EditParseError> {
        Ok(Self { name: named(name)?, value: value.to_owned() })
    }

    pub(super) fn apply(&self, target: &mut Bytes) -> bool {
        let pair = format!("{}={}", encode(&self.name), encode(&self.value));
        let mut there = false;
        edit(target, Some(&pair), |name| {
            if name != self.name.as_bytes() {
                Edit::Keep
            } else if std::mem::replace(&mut there, true) {
                Edit::Drop
            } else {
                Edit::Replace(pair.clone())
            }
        })
    }
}

impl RemoveQuery {
    /// Of a name, not encoded.
    pub fn new(name: &str) -> Result<Self, EditParseError> {
        named(name).map(Self)
    }

    pub(super) fn apply(&self, target: &mut Bytes) -> bool {
        edit(target, None, |name| if name == self.0.as_bytes() { Edit::Drop } else { Edit::Keep })
    }
}

impl RenameQuery {
    /// Of two names, neither of them encoded.
    pub fn new(from: &str, to: &str) -> Result<Self, EditParseError> {
        Ok(Self { from: named(from)?, to: named(to)? })
    }

    pub(super) fn apply(&self, target: &mut Bytes) -> bool {
        edit(
            target,
            None,
            |name| {
                if name == self.from.as_bytes() { Edit::Rename(encode(&self.to)) } else { Edit::Keep }
            },
        )
    }
}

fn named(name: &str) -> Result<String, EditParseError> {
    if name.is_empty() { Err(EditParseError::NoQueryName) } else { Ok(name.to_owned()) }
}

enum Edit {
    Keep,
    Drop,
    Replace(String),
    Rename(String),
}

/// Changes the parameters of a target by their decoded names; `missing` is added where no edit was a replacement.
fn edit(target: &mut Bytes, missing: Option<&str>, mut decide: impl FnMut(&[u8]) -> Edit) -> bool {
    let end = target.iter().position(|b| *b == b'?');
    let (path, query) = target.split_at(end.unwrap_or(target.len()));
    let mut pairs: Vec<Cow<'_, [u8]>> = Vec::new();
    let mut replaced = false;
    for pair in query.get(1..).unwrap_or_default().split(|b| *b == b'&').filter(|_| query.len() > 1) {
        let at = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
        match decide(&decode(&pair[..at])) {
            Edit::Keep => pairs.push(Cow::Borrowed(pair)),
            Edit::Drop => {}
            Edit::Replace(with) => {
                replaced = true;
                pairs.push(Cow::Owned(with.into_bytes()));
            }
            Edit::Rename(name) => pairs.push(Cow::Owned([name.as_bytes(), &pair[at..]].concat())),
        }
    }
    if let Some(pair) = missing.filter(|_| !replaced) {
        pairs.push(Cow::Borrowed(pair.as_bytes()));
    }
    let mut changed = path.to_vec();
    // A question mark without parameters stays one.
    if !pairs.is_empty() || query.len() == 1 {
        changed.push(b'?');
        changed.extend_from_slice(&pairs.join(&b'&'));
    }
    let is_other = changed != target[..];
    *target = changed.into();
    is_other
}

/// A list of parameters, as in a query or a form, with the value of one replaced; nothing where it is not there.
pub(crate) fn replace_pair(pairs: &[u8], name: &str, value: &[u8]) -> Option<Vec<u8>> {
    let mut there = false;
    let replaced: Vec<Cow<'_, [u8]>> = (pairs.split(|b| *b == b'&'))
        .map(|pair| {
            let at = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
            if decode(&pair[..at]) != name.as_bytes() {
                return Cow::Borrowed(pair);
            }
            there = true;
            Cow::Owned([&pair[..at], b"=", encode(&String::from_utf8_lossy(value)).as_bytes()].concat())
        })
        .collect();
    there.then(|| replaced.join(&b'&'))
}

/// Percent-decoded, with `+` for a space, as forms send it.
fn decode(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|b| char::from(*b).to_digit(16));
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
                at += 2;
            }
            (b'+', ..) => decoded.push(b' '),
            _ => decoded.push(*byte),
        }
        at += 1;
    }
    decoded
}

/// Percent-encoded but for the unreserved characters (RFC 3986, 2.3).
pub(crate) fn encode(text: &str) -> String {
    let keeps = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|b| if keeps(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

macro_rules! pair_as_text {
    ($type:ident, $left:ident, $right:ident) => {
        impl FromStr for $type {
            type Err = EditParseError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let (left, right) = text.split_once('=').ok_or_else(|| EditParseError::Query(text.to_owned()))?;
                Self::new(left, right)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}={}", self.$left, self.$right)
            }
        }

        serde_as_text!($type);
    };
}

pair_as_text!(SetQuery, name, value);
pair_as_text!(RenameQuery, from, to);

impl FromStr for RemoveQuery {
    type Err = EditParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl fmt::Display for RemoveQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(RemoveQuery);

#[cfg(test)]
mod tests {
    use super::*;

    fn after(target: &str, apply: impl Fn(&mut Bytes) -> bool) -> (String, bool) {
        let mut bytes = Bytes::copy_from_slice(target.as_bytes());
        let changed = apply(&mut bytes);
        (String::from_utf8(bytes.to_vec()).unwrap(), changed)
    }

    #[test]
    fn parameters_are_changed_by_their_decoded_names_and_others_stay_as_they_are() {
        let set: SetQuery = "a b=x&y".parse().unwrap();
        let set = |target: &str| after(target, |t| set.apply(t));
        assert_eq!(set("/p?q=%7e&a+b=1&a%20b=2&&r"), ("/p?q=%7e&a%20b=x%26y&&r".into(), true));
        assert_eq!(set("/p"), ("/p?a%20b=x%26y".into(), true));
        assert_eq!(set("/p?a%20b=x%26y"), ("/p?a%20b=x%26y".into(), false));
        let remove: RemoveQuery = "utm".parse().unwrap();
        let remove = |target: &str| after(target, |t| remove.apply(t));
        assert_eq!(remove("/p?utm=1&x=%zz&utm"), ("/p?x=%zz".into(), true));
        assert_eq!(remove("/p?utm"), ("/p".into(), true));
        assert_eq!(remove("/p?"), ("/p?".into(), false));
        assert_eq!(remove("/p"), ("/p".into(), false));
        let rename: RenameQuery = "old=new".parse().unwrap();
        assert_eq!(after("/p?old=1&Old=2", |t| rename.apply(t)), ("/p?new=1&Old=2".into(), true));
        assert!("a".parse::<SetQuery>().unwrap_err().to_string().contains("give NAME=VALUE"));
        assert!("=a".parse::<SetQuery>().unwrap_err().to_string().contains("needs a name"));
    }
}
