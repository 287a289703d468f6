//! Bodies: what a content type says they are, and which rules look into them.

mod coding;
mod json;
mod multipart;
mod pointer;

use std::borrow::Cow;

use umbra_common::exchange::{Body, Fields};

use super::names::Names;
use super::pairs;
use super::patterns::Patterns;
use super::pen::{BodyDrop, Pen, Place};
use crate::rules::{Action, RulesError};
use json::Malformed;
use pointer::Pointer;

/// What is looked for in bodies.
#[derive(Clone, Debug, Default)]
pub(super) struct BodyRules {
    json: Vec<Pointer>,
    pub(super) form: Names,
    pub(super) multipart: Names,
    pub(super) text: Patterns,
}

/// What a body is, as far as that can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    Form,
    /// With its boundary; one without cannot be read.
    Multipart(Option<Vec<u8>>),
    /// Some other text.
    Text,
    /// Whatever the bytes say.
    Unknown,
    /// Nothing that rules look into: pictures, archives, gRPC's protocol buffers.
    Binary,
    /// Text in frames that would no longer fit.
    Framed,
}

impl BodyRules {
    pub(super) fn point(&mut self, place: &str, pointer: &str, action: Action) -> Result<(), RulesError> {
        self.json.push(Pointer::new(place, pointer, action)?);
        Ok(())
    }

    /// Pointers and what is done to what they point to.
    pub(super) fn json(&self) -> impl Iterator<Item = (String, Action)> {
        self.json.iter().map(|pointer| (pointer.text().to_owned(), pointer.action))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.json.is_empty() && self.form.is_empty() && self.multipart.is_empty() && self.text.is_empty()
    }

    /// Takes the secrets out of a body, or the body out of the record where they cannot be found.
    pub(super) fn redact(&self, headers: &Fields, body: &mut Body<Cow<'_, [u8]>>, pen: Pen<'_>) {
        if self.is_empty() || body.bytes.is_empty() {
            return;
        }
        match self.redacted(headers, body, pen) {
            Ok(None) => {}
            // Whole as it is: nothing of it is missing, as a length that differs would say.
            Ok(Some(redacted)) => *body = Body::whole(redacted),
            Err(why) => {
                pen.redactions.dropped(why);
                body.bytes = Cow::default();
                body.truncated = true;
            }
        }
    }

    fn redacted(
        &self,
        headers: &Fields,
        body: &Body<Cow<'_, [u8]>>,
        pen: Pen<'_>,
    ) -> Result<Option<Vec<u8>>, BodyDrop> {
        let kind = Kind::of(headers.get("content-type"));
        if !self.concern(&kind) {
            return Ok(None);
        }
        // A secret at the cut would not be known for one, and half a body is replayed by nobody.
        if body.truncated {
            return Err(BodyDrop::Truncated);
        }
        if is_wide(headers.get("content-type").unwrap_or_default()) {
            return Err(BodyDrop::Coding);
        }
        let codings = coding::of(headers)?;
        if codings.is_empty() {
            return self.content(&kind, &body.bytes, pen);
        }
        let (codings, decoded) = coding::decode(codings, &body.bytes)?;
        match self.content(&kind, &decoded, pen)? {
            None => Ok(None),
            Some(redacted) => coding::encode(&codings, redacted).map(Some).map_err(|_| BodyDrop::Broken),
        }
    }

    /// Whether any rule can apply to such a body.
    fn concern(&self, kind: &Kind) -> bool {
        let text = !self.text.is_empty();
        match kind {
            Kind::Binary => false,
            Kind::Json | Kind::Framed => text || !self.json.is_empty(),
            Kind::Form => text || !self.form.is_empty(),
            Kind::Multipart(_) => text || !self.multipart.is_empty() || !self.json.is_empty(),
            Kind::Text | Kind::Unknown => text || !self.form.is_empty() || !self.json.is_empty(),
        }
    }

    fn content(&self, kind: &Kind, bytes: &[u8], pen: Pen<'_>) -> Result<Option<Vec<u8>>, BodyDrop> {
        let malformed = |_: Malformed| BodyDrop::Malformed;
        let by_form = match kind {
            Kind::Binary => return Ok(None),
            Kind::Framed => return Err(BodyDrop::Coding),
            Kind::Json if self.json.is_empty() => None,
            Kind::Json => json::redact(&self.json, bytes, pen).map_err(malformed)?,
            Kind::Form => pairs::redact(Place::Form, &self.form, bytes, pen),
            Kind::Multipart(boundary) if !self.multipart.is_empty() || !self.json.is_empty() => {
                let boundary = boundary.as_deref().ok_or(BodyDrop::Malformed)?;
                let other = |kind: &[u8], content: &[u8]| match Kind::of(Some(kind)) {
                    Kind::Json => json::redact(&self.json, content, pen),
                    _ => Ok(None),
                };
                multipart::redact(&self.multipart, boundary, bytes, pen, other).map_err(malformed)?
            }
            Kind::Multipart(_) => None,
            Kind::Text | Kind::Unknown => self.undeclared(kind, bytes, pen)?,
        };
        let now = by_form.as_deref().unwrap_or(bytes);
        let is_text = *kind != Kind::Unknown || std::str::from_utf8(now).is_ok();
        match is_text.then(|| self.text.redact(Place::Text, now, pen)).flatten() {
            Some(redacted) => Ok(Some(redacted)),
            None => Ok(by_form),
        }
    }

    /// A body that does not say to be JSON or a form may be one.
    fn undeclared(&self, kind: &Kind, bytes: &[u8], pen: Pen<'_>) -> Result<Option<Vec<u8>>, BodyDrop> {
        let looks_like_json = matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['));
        if !looks_like_json {
            return Ok(pairs::redact(Place::Form, &self.form, bytes, pen));
        }
        if self.json.is_empty() {
            return Ok(None);
        }
        match json::redact(&self.json, bytes, pen) {
            Ok(redacted) => Ok(redacted),
            // A log line in brackets is no JSON; something of no kind that begins like it is taken for broken JSON.
            Err(Malformed) if *kind == Kind::Text => Ok(None),
            Err(Malformed) => Err(BodyDrop::Malformed),
        }
    }
}

impl Kind {
    fn of(content_type: Option<&[u8]>) -> Self {
        let Some(value) = content_type else { return Self::Unknown };
        let essence = value.split(|b| *b == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
        let essence = String::from_utf8_lossy(&essence).into_owned();
        let (top, sub) = essence.split_once('/').unwrap_or((&essence, ""));
        match (top, sub) {
            ("application", grpc) if grpc.starts_with("grpc") => {
                if grpc.contains("json") {
                    Self::Framed
                } else {
                    Self::Binary
                }
            }
            (_, sub) if is_json(sub) => Self::Json,
            ("application", "x-www-form-urlencoded") => Self::Form,
            ("multipart", _) => Self::Multipart(multipart::boundary(value)),
            ("text", _) => Self::Text,
            (_, sub) if sub.ends_with("+xml") || sub.ends_with("+yaml") => Self::Text,
            ("application", "xml" | "javascript" | "ecmascript" | "graphql" | "yaml" | "x-yaml" | "toml" | "sql") => {
                Self::Text
            }
            ("image" | "audio" | "video" | "font" | "model", _) => Self::Binary,
            ("application", "zip" | "gzip" | "zstd" | "pdf" | "wasm" | "protobuf" | "x-protobuf" | "x-tar") => {
                Self::Binary
            }
            _ => Self::Unknown,
        }
    }
}

/// Whether the characters of a text are in units of more than a byte, or not where they seem to be.
fn is_wide(content_type: &[u8]) -> bool {
    const WIDE: [&[u8]; 5] = [b"utf-16", b"utf-32", b"utf-7", b"ucs-", b"iso-10646"];
    let value = content_type.to_ascii_lowercase();
    let charset = memchr::memmem::find(&value, b"charset").map_or(&b""[..], |at| &value[at..]);
    WIDE.iter().any(|name| memchr::memmem::find(charset, name).is_some())
}

fn is_json(subtype: &str) -> bool {
    matches!(subtype, "json" | "x-json" | "x-ndjson" | "ndjson" | "jsonl" | "jsonlines" | "x-jsonlines" | "json-seq")
        || subtype.ends_with("+json")
        || subtype.ends_with("+json-seq")
        || subtype.starts_with("x-amz-json")
        || subtype == "csp-report"
}

#[cfg(test)]
mod tests;
