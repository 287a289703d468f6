//! The head of a request as it is recorded: copied before anything is edited.

use bytes::Bytes;
use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, Method, Version};
use umbra_common::exchange::{Fields, HttpVersion};
use umbra_common::shadow_host;

/// What arrived, in two or three small allocations that hold nothing else alive.
#[derive(Debug)]
pub(crate) struct RequestHead {
    pub(crate) method: Method,
    pub(crate) target: Bytes,
    pub(crate) version: HttpVersion,
    /// `:authority`, where it is not the `host` field.
    pub(crate) authority: Option<Bytes>,
    pub(crate) headers: Fields,
}

impl RequestHead {
    /// A copy of `parts`. `unshadow` takes one `-shadow` off the authority, as a sink does.
    pub(crate) fn copy(parts: &Parts, unshadow: bool) -> Self {
        let http2 = parts.version == Version::HTTP_2;
        let target = match parts.uri.path_and_query() {
            Some(path) if http2 || parts.uri.scheme().is_none() => Bytes::copy_from_slice(path.as_str().as_bytes()),
            _ => Bytes::from(parts.uri.to_string()),
        };
        let authority = parts.uri.authority().filter(|_| http2).map(|authority| {
            let authority = authority.as_str().as_bytes();
            if unshadow { shadow_host::remove(authority).into() } else { Bytes::copy_from_slice(authority) }
        });
        Self {
            method: parts.method.clone(),
            target,
            version: match parts.version {
                Version::HTTP_10 => HttpVersion::Http10,
                Version::HTTP_2 => HttpVersion::Http2,
                _ => HttpVersion::Http11,
            },
            authority,
            headers: if unshadow { unshadowed(&parts.headers) } else { fields(&parts.headers) },
        }
    }

    /// The bytes it holds.
    pub(crate) fn byte_len(&self) -> usize {
        self.target.len() + self.authority.as_ref().map_or(0, Bytes::len) + fields_len(&self.headers)
    }
}

/// A header or trailer section as it is recorded.
pub(crate) fn fields(map: &HeaderMap) -> Fields {
    let bytes = map.iter().map(|(n, v)| n.as_str().len() + v.len()).sum();
    let mut fields = Fields::with_capacity(map.len(), bytes);
    for (name, value) in map {
        fields.push(name.as_str(), value.as_bytes());
    }
    fields
}

fn unshadowed(map: &HeaderMap) -> Fields {
    map.iter()
        .map(|(name, value)| {
            let value = value.as_bytes();
            (name.as_str(), if name == HOST { shadow_host::remove(value) } else { value.to_vec() })
        })
        .collect()
}

/// What a section holds in memory.
pub(crate) fn fields_len(fields: &Fields) -> usize {
    /// Where a name and a value end.
    const ENDS: usize = 8;
    fields.byte_len() + fields.len() * ENDS
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn head(request: http::request::Builder, unshadow: bool) -> RequestHead {
        RequestHead::copy(&request.body(()).unwrap().into_parts().0, unshadow)
    }

    #[test]
    fn fields_targets_and_odd_bytes_are_copied_as_they_are() {
        let request =
            Request::get("/a?b=%20&c#d").header("host", "a:80").header("x-a", &b"\xff\x80"[..]).header("x-a", "");
        let head = head(request, false);
        assert_eq!(&head.target[..], b"/a?b=%20&c");
        let fields: Vec<_> = head.headers.iter().collect();
        assert_eq!(fields, [(&b"host"[..], &b"a:80"[..]), (b"x-a", b"\xff\x80"), (b"x-a", b"")]);
        assert!(head.authority.is_none());
    }

    #[test]
    fn absolute_form_stays_and_http2_has_an_authority() {
        assert_eq!(&head(Request::get("http://a:80/x?y"), false).target[..], b"http://a:80/x?y");
        let two = head(Request::get("http://a:80/x?y").version(Version::HTTP_2), false);
        assert_eq!((&two.target[..], two.authority.as_deref()), (&b"/x?y"[..], Some(&b"a:80"[..])));
    }

    #[test]
    fn a_sink_takes_one_shadow_off() {
        let one = head(Request::get("/").header("host", "api-shadow:80").header("x", "b-shadow"), true);
        assert_eq!(one.headers.get("host"), Some(&b"api:80"[..]));
        assert_eq!(one.headers.get("x"), Some(&b"b-shadow"[..]));
        let two = head(Request::get("http://a-shadow/").version(Version::HTTP_2), true);
        assert_eq!(two.authority.as_deref(), Some(&b"a"[..]));
    }
}
