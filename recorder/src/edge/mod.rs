//! The strict edge: refuses what an intermediary could be fooled by, before it reaches anyone.
//!
//! hyper refuses what is no HTTP; here is refused what hyper lets through (RFC 9112 and RFC 9113 say why for each).
//! What hyper settles before a head is seen (equal or conflicting lengths, fragments) is not visible here.

mod host;
mod refusal;

pub(crate) use refusal::Refusal;

use http::header::{HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, Method, Version};

use host::is_authority;

/// More fields in one section are refused.
pub(crate) const MOST_FIELDS: usize = 128;
/// A larger head is refused.
pub(crate) const LARGEST_HEAD: usize = 64 << 10;
/// A longer target is refused.
const LONGEST_TARGET: usize = 32 << 10;

/// Whether a request may go on.
pub(crate) fn check(parts: &Parts) -> Result<(), Refusal> {
    if parts.method == Method::CONNECT {
        return Err(Refusal::Connect);
    }
    let uri = &parts.uri;
    let path = uri.path_and_query().map_or("", |p| p.as_str());
    if path.len() > LONGEST_TARGET {
        return Err(Refusal::TargetTooLong);
    }
    if path == "*" && parts.method != Method::OPTIONS {
        return Err(Refusal::Asterisk);
    }
    size(&parts.headers)?;
    match parts.version {
        Version::HTTP_2 => http2_authority(parts),
        _ => {
            transfer_coding(&parts.headers)?;
            http1_host(parts)
        }
    }
}

fn size(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.len() > MOST_FIELDS {
        return Err(Refusal::TooManyFields);
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > LARGEST_HEAD { Err(Refusal::HeadTooLarge) } else { Ok(()) }
}

/// A body is chunked or it is not: nothing else, and not twice (RFC 9112, 6.1 and 6.3).
fn transfer_coding(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Refusal::TransferEncoding),
    }
}

/// One `Host` that is an authority and agrees with the target (RFC 9112, 3.2).
fn http1_host(parts: &Parts) -> Result<(), Refusal> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => return Err(Refusal::ManyHosts),
        (None, _) if parts.version == Version::HTTP_10 => None,
        (None, _) => return Err(Refusal::NoHost),
        (Some(host), None) if is_authority(host.as_bytes()) => Some(host),
        (Some(_), None) => return Err(Refusal::BadHost),
    };
    match (parts.uri.scheme_str(), parts.uri.authority()) {
        (None, None) => Ok(()),
        // `GET example.com:80`: the form of CONNECT.
        (None, Some(_)) => Err(Refusal::TargetForm),
        (Some("http" | "https"), Some(authority)) => {
            if !is_authority(authority.as_str().as_bytes()) {
                return Err(Refusal::BadHost);
            }
            match host {
                Some(host) if !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) => {
                    Err(Refusal::HostMismatch)
                }
                _ => Ok(()),
            }
        }
        _ => Err(Refusal::TargetForm),
    }
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
