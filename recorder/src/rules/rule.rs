//! One rule, compiled: what it matches and what is recorded of that.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, HOST};
use http::request::Parts;
use umbra_common::fraction::Fraction;
use umbra_common::shadow_host;
use umbra_common::size::ByteSize;

use super::counts::Counts;
use super::glob::{Globs, HeaderIs, Style};
use super::{RuleText, RulesError};
use crate::tap::Limits;

/// What is recorded of the requests that a rule, or none, matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// How many of them.
    pub(crate) fraction: Fraction,
    /// How much of one.
    pub(crate) limits: Limits,
}

/// A rule as it is asked for each request.
#[derive(Debug)]
pub(crate) struct Rule {
    name: Arc<str>,
    methods: Vec<String>,
    hosts: Globs,
    paths: Globs,
    headers: Vec<HeaderIs>,
    content_types: Globs,
    choice: Choice,
    pub(super) counts: Arc<Counts>,
}

/// Names become labels of metrics.
const LONGEST_NAME: usize = 64;

impl Rule {
    /// `at` counts from 1; `base` is what holds without rules.
    pub(super) fn new(at: usize, text: &RuleText, base: Choice) -> Result<Self, RulesError> {
        let name = text.name.clone().unwrap_or_else(|| format!("rule-{at}"));
        let place = |key: &str| format!("rule '{name}', {key}");
        if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(RulesError::value(
                format!("rule {at}, name"),
                &name,
                format!("is no name: give 1 to {LONGEST_NAME} printable bytes"),
            ));
        }
        if text.sample.is_none() && text.responses.is_none() && text.body_limit.is_none() {
            let why = "says nothing of what is recorded: give it sample, responses or body-limit";
            return Err(RulesError::whole(format!("rule '{name}'"), why));
        }
        let methods = text.method.iter().map(str::to_ascii_uppercase).collect::<Vec<_>>();
        if let Some(method) = methods.iter().find(|method| http::Method::from_bytes(method.as_bytes()).is_err()) {
            return Err(RulesError::value(place("method"), method, "is no method: give a token, as in GET"));
        }
        if let Some(limit) = text.body_limit.filter(|limit| limit.as_usize() > base.limits.body) {
            let why = format!("is over --body-limit, {} bytes: raise that, or lower this", base.limits.body);
            return Err(RulesError::value(place("body-limit"), &limit.to_string(), why));
        }
        const NAMES: Style = Style { segments: false, any_case: true };
        const PATHS: Style = Style { segments: true, any_case: false };
        Ok(Self {
            hosts: Globs::new(&place("host"), text.host.iter(), NAMES)?,
            paths: Globs::new(&place("path"), text.path.iter(), PATHS)?,
            content_types: Globs::new(&place("content-type"), text.content_type.iter(), NAMES)?,
            headers: text
                .header
                .iter()
                .map(|header| HeaderIs::new(&place("header"), header))
                .collect::<Result<_, _>>()?,
            methods,
            choice: Choice {
                fraction: text.sample.unwrap_or(base.fraction),
                limits: Limits {
                    body: text.body_limit.map_or(base.limits.body, ByteSize::as_usize),
                    responses: text.responses.unwrap_or(base.limits.responses),
                },
            },
            counts: Arc::default(),
            name: name.into(),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn choice(&self) -> Choice {
        self.choice
    }

    pub(super) fn matches(&self, head: &Head<'_>) -> bool {
        let parts = head.parts;
        (self.methods.is_empty() || self.methods.iter().any(|method| method == parts.method.as_str()))
            && self.paths.matches(parts.uri.path().as_bytes())
            && (self.hosts.is_empty() || head.host_is(&self.hosts))
            && (self.content_types.is_empty() || self.content_types.matches(head.content_type()))
            && self.headers.iter().all(|header| header.holds(&parts.headers))
    }
}

/// The head of a request, as rules see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    pub(crate) parts: &'a Parts,
    /// It came from another proxy's mirror: its host carries `-shadow`.
    pub(crate) mirrored: bool,
}

impl<'a> Head<'a> {
    fn host_is(&self, hosts: &Globs) -> bool {
        let authority = match self.parts.uri.authority() {
            Some(authority) => authority.as_str().as_bytes(),
            None => self.parts.headers.get(HOST).map_or(&b""[..], |host| host.as_bytes()),
        };
        if self.mirrored {
            hosts.matches(without_port(&shadow_host::remove(authority)))
        } else {
            hosts.matches(without_port(authority))
        }
    }

    /// Without parameters.
    fn content_type(&self) -> &'a [u8] {
        let value = self.parts.headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        value.split(|b| *b == b';').next().unwrap_or_default().trim_ascii()
    }
}

fn without_port(authority: &[u8]) -> &[u8] {
    let after = authority.iter().rposition(|b| *b == b']').unwrap_or(0);
    let end = authority[after..].iter().rposition(|b| *b == b':').map_or(authority.len(), |colon| after + colon);
    &authority[..end]
}
