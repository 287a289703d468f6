//! Fields of a JSON body that are set or removed. Everything else of the body stays byte for byte: odd spacing, the order
//! of keys, duplicates and numbers that no parser keeps are what staging is to see.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use umbra_common::exchange::{Body, Request};

use super::rule::Applied;
use super::{EditParseError, Pointer};
use crate::text::serde_as_text;

/// `POINTER=JSON`: the field gets this value; where its parent is there and it is not, it is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetJson {
    /// The field.
    pub pointer: Pointer,
    value: String,
}

/// `POINTER`: the field is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveJson(Pointer);

impl SetJson {
    /// Of a pointer and a JSON text.
    pub fn new(pointer: &str, value: &serde_json::Value) -> Result<Self, EditParseError> {
        Ok(Self { pointer: pointer.parse()?, value: value.to_string() })
    }

    pub(super) fn apply(&self, request: &mut Request) -> Applied {
        edit_body(request, self.pointer.tokens(), Some(&self.value))
    }
}

impl RemoveJson {
    /// Of a pointer.
    pub fn new(pointer: &str) -> Result<Self, EditParseError> {
        Ok(Self(pointer.parse()?))
    }

    pub(super) fn apply(&self, request: &mut Request) -> Applied {
        edit_body(request, self.0.tokens(), None)
    }
}

fn edit_body(request: &mut Request, tokens: &[String], value: Option<&str>) -> Applied {
    if request.body.bytes.is_empty() {
        return Applied::Nothing;
    }
    if request.headers.get("content-encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        return Applied::Encoded;
    }
    let Ok(text) = std::str::from_utf8(&request.body.bytes) else { return Applied::NotJson };
    let Ok(document) = serde_json::from_str::<&RawValue>(text) else { return Applied::NotJson };
    let Some(edited) = edit(document.get(), tokens, value).filter(|edited| edited != document.get()) else {
        return Applied::Nothing;
    };
    // What stands around the document, line ends mostly, stays.
    request.body = Body::whole(splice(text, document.get(), &edited));
    Applied::Changed
}

/// The document with the value of a field that is there replaced by an issued one: as a text, or as it is where production's
/// was none.
pub(crate) fn replace_json(document: &str, pointer: &Pointer, issued: &[u8]) -> Option<String> {
    let parsed: serde_json::Value = serde_json::from_str(document).ok()?;
    let is_text = pointer.find(&parsed)?.is_string();
    let issued = std::str::from_utf8(issued).ok()?;
    let raw: Option<&RawValue> = if is_text { None } else { serde_json::from_str(issued).ok() };
    let value = raw.map_or_else(|| serde_json::to_string(issued).ok(), |raw| Some(raw.get().to_owned()))?;
    edit(document.trim(), pointer.tokens(), Some(&value))
}

/// A text with a part of it, which stands inside of it, replaced.
fn splice(text: &str, part: &str, with: &str) -> String {
    let at = part.as_ptr() as usize - text.as_ptr() as usize;
    [&text[..at], with, &text[at + part.len()..]].concat()
}

/// The document with the change, or nothing where there is nothing to change.
fn edit(document: &str, tokens: &[String], value: Option<&str>) -> Option<String> {
    let Some((key, rest)) = tokens.split_first() else { return value.map(str::to_owned) };
    match document.as_bytes().first()? {
        b'{' => edit_object(document, key, rest, value),
        b'[' => edit_array(document, key, rest, value),
        _ => None,
    }
}

fn edit_object(document: &str, key: &str, rest: &[String], value: Option<&str>) -> Option<String> {
    let Members(members) = serde_json::from_str(document).ok()?;
    // Of several with one key most parsers take the last.
    let Some((_, member)) = members.iter().rev().find(|(name, _)| name == key) else {
        let added = value.filter(|_| rest.is_empty())?;
        let name = serde_json::to_string(key).ok()?;
        let comma = if members.is_empty() { "" } else { "," };
        let end = document.rfind('}')?;
        return Some(format!("{}{comma}{name}:{added}{}", &document[..end], &document[end..]));
    };
    if rest.is_empty() && value.is_none() {
        let kept = members.iter().filter(|(name, _)| name != key);
        let kept = kept.map(|(name, raw)| Some(format!("{}:{}", serde_json::to_string(name).ok()?, raw.get())));
        return Some(format!("{{{}}}", kept.collect::<Option<Vec<_>>>()?.join(",")));
    }
    let edited = edit(member.get(), rest, value)?;
    Some(splice(document, member.get(), &edited))
}

fn edit_array(document: &str, key: &str, rest: &[String], value: Option<&str>) -> Option<String> {
    let elements: Vec<&RawValue> = serde_json::from_str(document).ok()?;
    let is_index = key == "0" || !key.starts_with('0') && key.bytes().all(|b| b.is_ascii_digit());
    let at: usize = key.parse().ok().filter(|_| is_index)?;
    let element = elements.get(at)?;
    if rest.is_empty() && value.is_none() {
        let kept = elements.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, raw)| raw.get());
        return Some(format!("[{}]", kept.collect::<Vec<_>>().join(",")));
    }
    let edited = edit(element.get(), rest, value)?;
    Some(splice(document, element.get(), &edited))
}

/// An object's members in their order, duplicates apart, values as they stand in the document.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        from.deserialize_map(InOrder)
    }
}

impl FromStr for SetJson {
    type Err = EditParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || EditParseError::SetJson(text.to_owned());
        let (pointer, value) = text.split_once('=').ok_or_else(bad)?;
        let value: &RawValue = serde_json::from_str(value).map_err(|_| bad())?;
        Ok(Self { pointer: pointer.parse()?, value: value.get().to_owned() })
    }
}

impl fmt::Display for SetJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.pointer, self.value)
    }
}

serde_as_text!(SetJson);

impl FromStr for RemoveJson {
    type Err = EditParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl fmt::Display for RemoveJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

serde_as_text!(RemoveJson);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::exchange;
    use std::time::Duration;

    fn request(body: &str) -> Request {
        let mut request = exchange("/", Duration::ZERO).request;
        request.body = Body::whole(body.as_bytes().to_vec());
        request
    }

    fn set(body: &str, rule: &str) -> String {
        let mut request = request(body);
        rule.parse::<SetJson>().unwrap().apply(&mut request);
        assert_eq!(request.body.length, request.body.bytes.len() as u64);
        String::from_utf8(request.body.bytes.to_vec()).unwrap()
    }

    fn remove(body: &str, rule: &str) -> String {
        let mut request = request(body);
        rule.parse::<RemoveJson>().unwrap().apply(&mut request);
        String::from_utf8(request.body.bytes.to_vec()).unwrap()
    }

    #[test]
    fn a_field_is_set_and_all_else_stays_byte_for_byte() {
        let odd = " {\"a\" : {\"b\":1.000e2 , \"é\":\"\\u0041\"},\t\"a2\":[1 ,{\"x\":null}] }\r\n";
        assert_eq!(set(odd, "/a/b=\"z\""), odd.replace("1.000e2", "\"z\""));
        assert_eq!(set(odd, "/a2/1/x={\"y\": 2}"), odd.replace("null", "{\"y\": 2}"));
        assert_eq!(set(odd, "/a2/0=7"), odd.replace("[1 ", "[7 "));
        assert_eq!(set(odd, "/a/new=true"), odd.replace("\\u0041\"}", "\\u0041\",\"new\":true}"));
        assert_eq!(set("{}", "/n=1"), "{\"n\":1}");
        assert_eq!(set("{\"k\":1,\"k\":2}", "/k=3"), "{\"k\":1,\"k\":3}");
        for nothing in ["/no/deep=1", "/a2/9=1", "/a2/00=1", "/a/b/c=1"] {
            assert_eq!(set(odd, nothing), odd, "{nothing}");
        }
    }

    #[test]
    fn a_field_is_removed() {
        assert_eq!(remove("{\"a\": 1.0, \"b\":2, \"a\":3}", "/a"), "{\"b\":2}");
        assert_eq!(remove("{\"a\":[1, 2,3]}", "/a/1"), "{\"a\":[1,3]}");
        assert_eq!(remove("{\"a\":1}", "/b"), "{\"a\":1}");
    }

    #[test]
    fn an_issued_value_takes_the_place_of_one_that_is_there() {
        let replaced = |pointer: &str, issued: &str| {
            replace_json(" {\"a\": \"x\", \"n\":1}", &pointer.parse().unwrap(), issued.as_bytes())
        };
        assert_eq!(replaced("/a", "12").as_deref(), Some("{\"a\": \"12\", \"n\":1}"));
        assert_eq!(replaced("/n", "12").as_deref(), Some("{\"a\": \"x\", \"n\":12}"));
        assert_eq!(replaced("/n", "a-b").as_deref(), Some("{\"a\": \"x\", \"n\":\"a-b\"}"));
        assert_eq!(replaced("/no", "12"), None);
    }

    #[test]
    fn what_cannot_be_changed_is_said_and_left_as_it_was() {
        let rule: SetJson = "/a=1".parse().unwrap();
        let applied = |body: &str, encoding: Option<&str>| {
            let mut request = request(body);
            if let Some(encoding) = encoding {
                request.headers.push("content-encoding", encoding);
            }
            (rule.apply(&mut request), request.body.bytes == body.as_bytes())
        };
        assert_eq!(applied("a=1&b=2", None), (Applied::NotJson, true));
        assert_eq!(applied("{\"a\":2} {}", None), (Applied::NotJson, true));
        assert_eq!(applied("\u{fffd}", None), (Applied::NotJson, true));
        assert_eq!(applied("{\"a\":2}", Some("gzip")), (Applied::Encoded, true));
        assert_eq!(applied("{\"a\":2}", Some("identity")), (Applied::Changed, false));
        assert_eq!(applied("", None), (Applied::Nothing, true));
        assert_eq!(applied("{\"a\":1}", None), (Applied::Nothing, true));
        assert!("/a=b".parse::<SetJson>().unwrap_err().to_string().contains("a text stands in quotes"));
        assert!("a=1".parse::<SetJson>().unwrap_err().to_string().contains("is no JSON pointer"));
    }
}
