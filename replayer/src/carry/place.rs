//! Where a value is taken from, and where it is put.

use std::fmt;
use std::str::FromStr;

use http::HeaderName;
use regex::bytes::Regex;

use crate::change::{Pointer, reserved};

/// A place in a response.
#[derive(Clone, Debug)]
pub enum Source {
    /// The first value of a header field.
    Header(HeaderName),
    /// The value that a `Set-Cookie` gives a cookie.
    Cookie(String),
    /// A field of a JSON body.
    Json(Pointer),
    /// The first group of the first match in a body, or the whole match where there is no group.
    Regex(Regex),
}

/// A place in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A header field.
    Header(HeaderName),
    /// A cookie.
    Cookie(String),
    /// A query parameter.
    Query(String),
    /// A field of a JSON body.
    Json(Pointer),
    /// A field of a form.
    Form(String),
}

/// A text that names no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceParseError {
    /// Of a response.
    #[error("'{0}' is no place in a response: give header:NAME, cookie:NAME, json:/POINTER or regex:PATTERN")]
    Source(String),
    /// Of a request.
    #[error("'{0}' is no place in a request: give header:NAME, cookie:NAME, query:NAME, json:/POINTER or form:NAME")]
    Place(String),
    /// A field that follows from the connection, the body or another flag.
    #[error("no value can be carried into the header field '{0}': {1}")]
    Ours(String, &'static str),
    /// What follows `json:`.
    #[error(transparent)]
    Pointer(#[from] crate::change::PointerParseError),
    /// What follows `regex:`.
    #[error("'{0}' is no regular expression: {1}")]
    Regex(String, String),
}

fn cookie(name: &str) -> Option<String> {
    name.parse::<HeaderName>().is_ok().then(|| name.to_owned())
}

impl FromStr for Source {
    type Err = PlaceParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || PlaceParseError::Source(text.to_owned());
        match text.split_once(':').ok_or_else(bad)? {
            ("header", name) => name.parse().map(Self::Header).map_err(|_| bad()),
            ("cookie", name) => cookie(name).map(Self::Cookie).ok_or_else(bad),
            ("json", pointer) => Ok(Self::Json(pointer.parse()?)),
            ("regex", pattern) => Regex::new(pattern).map(Self::Regex).map_err(|error| {
                let why = error.to_string();
                let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                PlaceParseError::Regex(pattern.to_owned(), why)
            }),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::Json(pointer) => write!(f, "json:{pointer}"),
            Self::Regex(regex) => write!(f, "regex:{regex}"),
        }
    }
}

impl FromStr for Place {
    type Err = PlaceParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || PlaceParseError::Place(text.to_owned());
        let named = |name: &str| (!name.is_empty()).then(|| name.to_owned()).ok_or_else(bad);
        match text.split_once(':').ok_or_else(bad)? {
            ("header", name) => {
                let name: HeaderName = name.parse().map_err(|_| bad())?;
                match reserved(&name) {
                    None => Ok(Self::Header(name)),
                    Some(why) => Err(PlaceParseError::Ours(name.to_string(), why)),
                }
            }
            ("cookie", name) => cookie(name).map(Self::Cookie).ok_or_else(bad),
            ("query", name) => named(name).map(Self::Query),
            ("json", pointer) => Ok(Self::Json(pointer.parse()?)),
            ("form", name) => named(name).map(Self::Form),
            _ => Err(bad()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_wrong_ones_named() {
        for good in ["header:x-csrf", "cookie:SID", "json:/a/b", "regex:name=\"csrf\" value=\"([^\"]+)\""] {
            assert_eq!(good.parse::<Source>().unwrap().to_string(), good);
        }
        for good in ["header:x-csrf", "cookie:SID", "query:token", "json:/a", "form:_csrf"] {
            assert!(good.parse::<Place>().is_ok(), "{good}");
        }
        assert!("body".parse::<Source>().unwrap_err().to_string().contains("regex:PATTERN"));
        assert!("regex:(".parse::<Source>().unwrap_err().to_string().contains("is no regular expression"));
        assert!("header:Umbra-Shadow".parse::<Place>().unwrap_err().to_string().contains("marks what"));
        assert!("header:content-length".parse::<Place>().unwrap_err().to_string().contains("follows from the body"));
        assert!("json:a".parse::<Place>().unwrap_err().to_string().contains("is no JSON pointer"));
        assert!("regex:a".parse::<Place>().unwrap_err().to_string().contains("form:NAME"));
        assert!("form:".parse::<Place>().is_err());
    }
}
