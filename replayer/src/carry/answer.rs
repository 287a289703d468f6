//! A response as the rules see it: production's, from the record, or the target's.

use std::io::Read;

use bytes::Bytes;
use http::HeaderMap;
use umbra_common::exchange::Response;

use super::Source;

/// What a recorder puts in the place of a secret.
pub(super) const MASK: &[u8] = b"***";

/// As much of a compressed body is looked at, in bytes: more than any page with a token in it has.
const INFLATED: u64 = 4 << 20;

/// A response's fields and its body.
#[derive(Clone, Copy, Debug)]
pub enum Answered<'a> {
    /// As recorded.
    Recorded(&'a Response),
    /// As the target gave it, with as much of the body as was kept.
    Shadow(&'a HeaderMap, &'a Bytes),
}

impl<'a> Answered<'a> {
    /// The value at a place; nothing where it is not there, or was masked by the recorder.
    pub fn value(&self, source: &Source) -> Option<Bytes> {
        let value = match source {
            Source::Header(name) => Bytes::copy_from_slice(self.all(name.as_str()).first()?),
            Source::Cookie(name) => {
                let cookies = self.all("set-cookie");
                let set = cookies.iter().find_map(|cookie| {
                    let pair = cookie.split(|b| *b == b';').next()?.trim_ascii();
                    pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
                })?;
                Bytes::copy_from_slice(set)
            }
            Source::Json(pointer) => {
                let document: serde_json::Value = serde_json::from_slice(&self.body()?).ok()?;
                match pointer.find(&document)? {
                    serde_json::Value::String(text) => text.clone().into(),
                    serde_json::Value::Null => return None,
                    other => other.to_string().into(),
                }
            }
            Source::Regex(regex) => {
                let body = self.body()?;
                let found = regex.captures(&body)?;
                Bytes::copy_from_slice(found.get(1).or_else(|| found.get(0))?.as_bytes())
            }
        };
        (!value.is_empty() && value != MASK).then_some(value)
    }

    fn all(&self, name: &str) -> Vec<&'a [u8]> {
        match self {
            Self::Recorded(response) => {
                response.headers.iter().filter(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value).collect()
            }
            Self::Shadow(headers, _) => headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect(),
        }
    }

    /// The body, decompressed where that is possible.
    fn body(&self) -> Option<Bytes> {
        let body = match self {
            Self::Recorded(response) => response.body.bytes.clone(),
            Self::Shadow(_, body) => (*body).clone(),
        };
        let inflate = |reader: &mut dyn Read| {
            let mut inflated = Vec::new();
            reader.take(INFLATED).read_to_end(&mut inflated).ok()?;
            Some(Bytes::from(inflated))
        };
        match self.all("content-encoding").first() {
            None => Some(body),
            Some(coding) if coding.eq_ignore_ascii_case(b"identity") => Some(body),
            Some(coding) if coding.eq_ignore_ascii_case(b"gzip") => {
                inflate(&mut flate2::read::MultiGzDecoder::new(&body[..]))
            }
            Some(coding) if coding.eq_ignore_ascii_case(b"deflate") => {
                inflate(&mut flate2::read::ZlibDecoder::new(&body[..]))
            }
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn value(headers: &[(&str, &str)], body: &[u8], source: &str) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
        }
        let body = Bytes::copy_from_slice(body);
        let found = Answered::Shadow(&map, &body).value(&source.parse().unwrap());
        found.map(|value| String::from_utf8(value.to_vec()).unwrap())
    }

    #[test]
    fn values_are_found_in_every_place() {
        let cookies = [("set-cookie", "other=1"), ("set-cookie", "sid=a=b; Path=/; HttpOnly"), ("x-csrf", "t1")];
        assert_eq!(value(&cookies, b"", "cookie:sid").as_deref(), Some("a=b"));
        assert_eq!(value(&cookies, b"", "cookie:si"), None);
        assert_eq!(value(&cookies, b"", "header:x-csrf").as_deref(), Some("t1"));
        assert_eq!(value(&[("x-csrf", "***")], b"", "header:x-csrf"), None);
        assert_eq!(value(&[], br#"{"a":{"id":42}}"#, "json:/a/id").as_deref(), Some("42"));
        assert_eq!(value(&[], br#"{"a":{"id":"x"}}"#, "json:/a/id").as_deref(), Some("x"));
        assert_eq!(value(&[], b"no json", "json:/a"), None);
        assert_eq!(value(&[], b"<i value=\"t2\">", "regex:value=\"([^\"]+)\"").as_deref(), Some("t2"));
        assert_eq!(value(&[], b"t2", "regex:t.").as_deref(), Some("t2"));
    }

    #[test]
    fn a_compressed_body_is_looked_into() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(br#"{"token":"t3"}"#).unwrap();
        let gzip = gzip.finish().unwrap();
        assert_eq!(value(&[("content-encoding", "gzip")], &gzip, "json:/token").as_deref(), Some("t3"));
        assert_eq!(value(&[("content-encoding", "br")], &gzip, "json:/token"), None);
        assert_eq!(value(&[("content-encoding", "gzip")], b"garbage", "json:/token"), None);
    }
}
