//! One rule of any kind.

use std::fmt;

use http::HeaderName;
use umbra_common::exchange::Request;

use super::{
    RemoveHeader, RemoveJson, RemoveQuery, RenameHeader, RenameQuery, RewriteHost, RewritePath, SetHeader, SetJson,
    SetQuery, Token,
};

/// One change.
#[derive(Clone, Debug)]
pub enum Rule {
    /// A field is not sent.
    RemoveHeader(RemoveHeader),
    /// A field gets another name.
    RenameHeader(RenameHeader),
    /// A field gets one value.
    SetHeader(SetHeader),
    /// A field gets a secret of the target's.
    Token(Token),
    /// The authority is rewritten.
    RewriteHost(RewriteHost),
    /// The path is rewritten.
    RewritePath(RewritePath),
    /// A query parameter is not sent.
    RemoveQuery(RemoveQuery),
    /// A query parameter gets another name.
    RenameQuery(RenameQuery),
    /// A query parameter gets one value.
    SetQuery(SetQuery),
    /// A field of a JSON body is not sent.
    RemoveJson(RemoveJson),
    /// A field of a JSON body gets a value.
    SetJson(SetJson),
}

/// What a rule is about: rules are applied in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    RemoveHeader,
    RenameHeader,
    SetHeader,
    Token,
    Host,
    Path,
    Query,
    Json,
}

/// What came of a rule at one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applied {
    /// The request is another now.
    Changed,
    /// There was nothing for the rule to change.
    Nothing,
    /// The body is no JSON; the request is as it was.
    NotJson,
    /// The body is compressed; the request is as it was.
    Encoded,
}

impl Applied {
    pub(super) fn changed(changed: bool) -> Self {
        if changed { Self::Changed } else { Self::Nothing }
    }
}

impl Rule {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::RemoveHeader(_) => Kind::RemoveHeader,
            Self::RenameHeader(_) => Kind::RenameHeader,
            Self::SetHeader(_) => Kind::SetHeader,
            Self::Token(_) => Kind::Token,
            Self::RewriteHost(_) => Kind::Host,
            Self::RewritePath(_) => Kind::Path,
            Self::RemoveQuery(_) | Self::RenameQuery(_) | Self::SetQuery(_) => Kind::Query,
            Self::RemoveJson(_) | Self::SetJson(_) => Kind::Json,
        }
    }

    pub(super) fn secret(&self) -> Option<HeaderName> {
        match self {
            Self::Token(token) => Some(token.name.clone()),
            _ => None,
        }
    }

    pub(super) fn apply(&self, request: &mut Request) -> Applied {
        let headers = &mut request.headers;
        Applied::changed(match self {
            Self::RemoveHeader(rule) => rule.apply(headers),
            Self::RenameHeader(rule) => rule.apply(headers),
            Self::SetHeader(rule) => rule.apply(headers),
            Self::Token(rule) => rule.apply(headers),
            Self::RewriteHost(rule) => rule.apply(&mut request.authority),
            Self::RewritePath(rule) => rule.apply(&mut request.target),
            Self::RemoveQuery(rule) => rule.apply(&mut request.target),
            Self::RenameQuery(rule) => rule.apply(&mut request.target),
            Self::SetQuery(rule) => rule.apply(&mut request.target),
            Self::RemoveJson(rule) => return rule.apply(request),
            Self::SetJson(rule) => return rule.apply(request),
        })
    }
}

/// As a report names it: without any secret.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RemoveHeader(rule) => write!(f, "remove-header {rule}"),
            Self::RenameHeader(rule) => write!(f, "rename-header {rule}"),
            Self::SetHeader(rule) => write!(f, "set-header {}", rule.name),
            Self::Token(rule) => write!(f, "token {}", rule.name),
            Self::RewriteHost(rule) => write!(f, "rewrite-host {rule}"),
            Self::RewritePath(rule) => write!(f, "rewrite-path {rule}"),
            Self::RemoveQuery(rule) => write!(f, "remove-query {rule}"),
            Self::RenameQuery(rule) => write!(f, "rename-query {rule}"),
            Self::SetQuery(rule) => write!(f, "set-query {rule}"),
            Self::RemoveJson(rule) => write!(f, "remove-json {rule}"),
            Self::SetJson(rule) => write!(f, "set-json {}", rule.pointer),
        }
    }
}
