//! What the changes do to a request, for `plan --diff`.

use http::HeaderName;
use umbra_common::exchange::{Fields, Request};

use crate::traffic::escape;

/// As much of a changed body is shown, in bytes.
const SHOWN: usize = 400;

/// Lines that begin with `-` for what was recorded and with `+` for what would be sent instead. Values of secret fields
/// are masked.
pub fn diff(before: &Request, after: &Request, secrets: &[HeaderName]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut pair = |name: &str, before: &[u8], after: &[u8]| {
        if before != after {
            lines.push(format!("- {name}{}", escape::line(before)));
            lines.push(format!("+ {name}{}", escape::line(after)));
        }
    };
    pair("", &before.target, &after.target);
    pair("host: ", &before.authority, &after.authority);
    let (gone, new) = (only_in(&before.headers, &after.headers), only_in(&after.headers, &before.headers));
    let shown = |sign: char, (name, value): (&[u8], &[u8])| {
        let secret = secrets.iter().any(|secret| secret.as_str().as_bytes() == name);
        let value = if secret { "***".to_owned() } else { escape::line(value) };
        format!("{sign} {}: {value}", escape::line(name))
    };
    lines.extend(gone.into_iter().map(|field| shown('-', field)));
    lines.extend(new.into_iter().map(|field| shown('+', field)));
    if before.body != after.body {
        lines.push(format!("- {}", body(&before.body.bytes)));
        lines.push(format!("+ {}", body(&after.body.bytes)));
    }
    lines
}

/// The fields of one section that the other does not have, each as often as it is missing there.
fn only_in<'a>(section: &'a Fields, other: &'a Fields) -> Vec<(&'a [u8], &'a [u8])> {
    let mut rest: Vec<_> = other.iter().collect();
    let is_new = |field: &(&[u8], &[u8])| match rest.iter().position(|r| r == field) {
        Some(at) => {
            rest.swap_remove(at);
            false
        }
        None => true,
    };
    section.iter().filter(is_new).collect()
}

fn body(bytes: &[u8]) -> String {
    match bytes.get(..SHOWN) {
        Some(start) if bytes.len() > SHOWN => format!("{}… ({} bytes)", escape::line(start), bytes.len()),
        _ => escape::line(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Changes, Rule, Tally};
    use crate::testing::exchange;
    use std::time::Duration;
    use umbra_common::exchange::Body;

    #[test]
    fn a_diff_has_what_changes_and_nothing_else() {
        let mut before = exchange("/v1/a", Duration::ZERO).request;
        before.headers.push("x-a", "1");
        before.headers.push("x-a", "1");
        before.headers.push("authorization", "***");
        before.body = Body::whole("{\"a\":\"\u{202e}\"}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2").unwrap();
        let token = format!("authorization=file:{}", file.path().display());
        let changes = Changes::new(vec![
            Rule::RewritePath("/v1=/v2".parse().unwrap()),
            Rule::RewriteHost("^api=web".parse().unwrap()),
            Rule::SetHeader("x-a:2".parse().unwrap()),
            Rule::SetJson("/b=1".parse().unwrap()),
            Rule::Token(token.parse().unwrap()),
        ]);
        let mut after = before.clone();
        changes.apply(&mut after, &Tally::new(&changes));
        assert_eq!(
            diff(&before, &after, &changes.secrets()),
            [
                "- /v1/a",
                "+ /v2/a",
                "- host: api.example.com",
                "+ host: web.example.com",
                "- x-a: 1",
                "- x-a: 1",
                "- authorization: ***",
                "+ x-a: 2",
                "+ authorization: ***",
                "- {\"a\":\"\\u{202e}\"}",
                "+ {\"a\":\"\\u{202e}\",\"b\":1}",
            ]
        );
        assert!(diff(&before, &before, &[]).is_empty());
    }
}
