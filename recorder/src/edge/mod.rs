//! The strict edge: refuses what an intermediary could be fooled by, before it reaches anyone.
//!
//! HTTP/1 is judged by its bytes, before the HTTP library sees them ([`wire`]): a library settles conflicting lengths, cuts
//! fragments and joins lines without a word, and what is settled cannot be refused any more. HTTP/2 is judged by the
//! head that the library gives ([`check_http2`]). RFC 9112 and RFC 9113 say why for each.

mod arrived;
mod charset;
mod forwarded;
mod frames;
mod guarded;
mod host;
mod interim;
mod lettered;
mod refusal;
mod wire;

pub(crate) use arrived::{Arrived, Hints, takes_interim};
pub(crate) use forwarded::client;
pub(crate) use frames::{ErrorScope, Flood, FrameWatch, Framed, Refused};
pub(crate) use guarded::{Guarded, Standing, Watch};
pub(crate) use refusal::Refusal;
pub(crate) use wire::{Head, HeadLimits, HeadView, is_plain, response_fields, set_names};

use http::header::{CONTENT_LENGTH, HOST};
use http::request::Parts;
use http::{HeaderMap, Method};

use crate::forward::Asked;
use host::is_authority;

/// Whether an HTTP/2 request may go on.
pub(crate) fn check_http2(parts: &Parts, limits: HeadLimits) -> Result<(), Refusal> {
    // Extended CONNECT (RFC 8441) has all that other requests have; the library takes it only where it was offered.
    if parts.method == Method::CONNECT && Asked::by_connect(parts).is_none() {
        return Err(Refusal::Connect);
    }
    let path = parts.uri.path_and_query().map_or("", |p| p.as_str());
    if path.len() > limits.target {
        return Err(Refusal::TargetTooLong);
    }
    if path == "*" && parts.method != Method::OPTIONS {
        return Err(Refusal::Asterisk);
    }
    // Other schemes name other protocols; the target is passed on as one of HTTP (RFC 9113, 8.3.1).
    if !matches!(parts.uri.scheme_str(), None | Some("http" | "https")) {
        return Err(Refusal::TargetForm);
    }
    fields(&parts.headers, limits)?;
    http2_authority(parts)
}

fn fields(headers: &HeaderMap, limits: HeadLimits) -> Result<(), Refusal> {
    if headers.len() > limits.fields {
        return Err(Refusal::TooManyFields);
    }
    let mut bytes = 0;
    for (name, value) in headers {
        bytes += name.as_str().len() + value.len();
        // RFC 9113, 8.2.1.
        if let [b' ' | b'\t', ..] | [.., b' ' | b'\t'] = value.as_bytes() {
            return Err(Refusal::Field);
        }
    }
    if bytes > limits.head {
        return Err(Refusal::HeadTooLarge);
    }
    // Each of them is a number, as the library has seen to.
    if headers.get_all(CONTENT_LENGTH).iter().nth(1).is_some() { Err(Refusal::ContentLength) } else { Ok(()) }
}

/// `:authority` or one `host`, and the same where both are there (RFC 9113, 8.3.1).
fn http2_authority(parts: &Parts) -> Result<(), Refusal> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let (host, more) = (hosts.next(), hosts.next());
    if more.is_some() {
        return Err(Refusal::ManyHosts);
    }
    let authority = parts.uri.authority().map(|a| a.as_str().as_bytes());
    match (authority, host.map(|h| h.as_bytes())) {
        (None, None) => Err(Refusal::NoHost),
        (Some(one), None) | (None, Some(one)) => {
            if is_authority(one) {
                Ok(())
            } else {
                Err(Refusal::BadHost)
            }
        }
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => Err(Refusal::HostMismatch),
        (Some(authority), Some(_)) if !is_authority(authority) => Err(Refusal::BadHost),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
