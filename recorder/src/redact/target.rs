//! Targets and URLs: user information, path, query, fragment.

use super::Redactor;
use super::edits::Edits;
use super::pairs;
use super::pen::{MASK, Pen, Place};

impl Redactor {
    /// A target in any form, or a URL in a field, without its secrets; nothing where it has none. User information is
    /// always one.
    pub(super) fn url(&self, url: &[u8], pen: Pen<'_>) -> Option<Vec<u8>> {
        if self.query.is_empty() && self.paths.is_empty() && memchr::memchr(b'@', url).is_none() {
            return None;
        }
        let mut edits = Edits::default();
        let authority = authority(url);
        if let Some(at) = memchr::memrchr(b'@', &url[authority.clone()]) {
            pen.count(Place::UserInfo);
            edits.replace(authority.start..authority.start + at, MASK.to_vec());
        }
        let path = authority.end..position(url, authority.end, |b| matches!(b, b'?' | b'#'));
        if !path.is_empty()
            && let Some(with) = self.paths.redact(Place::Path, &url[path.clone()], pen)
        {
            edits.replace(path.clone(), with);
        }
        let mut at = path.end;
        // The query, and the fragment, in which browsers are given tokens.
        while at < url.len() {
            let pairs = at + 1..position(url, at + 1, |b| b == b'#');
            if let Some(with) = pairs::redact(Place::Query, &self.query, &url[pairs.clone()], pen) {
                edits.replace(pairs.clone(), with);
            }
            at = pairs.end;
        }
        edits.apply(url)
    }
}

fn position(text: &[u8], from: usize, is: impl Fn(u8) -> bool) -> usize {
    text[from..].iter().position(|b| is(*b)).map_or(text.len(), |at| from + at)
}

/// Where the authority stands; an empty range where the path begins, where there is none.
fn authority(url: &[u8]) -> std::ops::Range<usize> {
    let start = match url.windows(2).position(|two| two == b"//") {
        // `https://…`, but no path or query with two slashes in it.
        Some(at) if url[..at].ends_with(b":") && !url[..at].iter().any(|b| matches!(b, b'/' | b'?' | b'#')) => at + 2,
        _ => return 0..0,
    };
    start..position(url, start, |b| matches!(b, b'/' | b'?' | b'#'))
}
