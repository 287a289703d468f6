//! Interim responses (1xx) of the origin on their way to the client (RFC 9110, 15.2).
//!
//! The library would tell of them by a callback, which is made for each request and seldom called. They are taken from what is
//! [overheard](super::overheard) instead.

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Request, StatusCode};
use httparse::{EMPTY_HEADER, Response, Status};

use super::expect::Gate;
use super::hop;
use crate::edge::Hints;

/// The library takes no more of a response.
const MOST_FIELDS: usize = 100;

/// Where interim responses to one request go.
#[derive(Debug)]
pub(super) struct Interim {
    hints: Hints,
    /// `100 Continue` is said by the library.
    is_gated: bool,
}

impl Interim {
    /// `gate`: what `100 Continue` opens.
    pub(super) fn new(hints: Hints, gate: Option<&Gate>) -> Self {
        Self { hints, is_gated: gate.is_some() }
    }

    /// Passes on the response that these bytes begin with; says how long its head is. Nothing where it is not whole, or where
    /// the library will refuse it.
    pub(super) fn pass(this: Option<&Self>, bytes: &[u8]) -> Option<usize> {
        let mut fields = [EMPTY_HEADER; MOST_FIELDS];
        let mut response = Response::new(&mut fields);
        let Ok(Status::Complete(length)) = response.parse(bytes) else { return None };
        if let (Some(this), Some(Ok(status))) = (this, response.code.map(StatusCode::from_u16)) {
            this.send(status, response.headers);
        }
        Some(length)
    }

    fn send(&self, status: StatusCode, fields: &[httparse::Header<'_>]) {
        if status == StatusCode::CONTINUE && self.is_gated {
            return;
        }
        let mut headers = HeaderMap::with_capacity(fields.len());
        for field in fields {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(field.name), HeaderValue::from_bytes(field.value)) {
                headers.append(name, value);
            }
        }
        hop::strip(&mut headers);
        if !self.hints.send(status, &headers) {
            tracing::debug!(%status, "an interim response was dropped");
        }
    }
}

/// Has `100 Continue` open the gate: the library tells the client.
pub(super) fn open<B>(request: &mut Request<B>, gate: &Gate) {
    let opening = gate.opening();
    hyper::ext::on_informational(request, move |response| {
        if response.status() == StatusCode::CONTINUE {
            opening.open();
        }
    });
}
