//! Redaction: secrets are taken out before the store, never after.
//!
//! Everything here runs on the store's thread, behind the queue: it is work for a processor that grows with the rules, and
//! no request waits for it. What cannot be looked into for secrets is dropped and counted, never kept to be safe.

mod body;
mod client;
mod cookies;
mod edits;
mod fields;
mod names;
mod pairs;
mod patterns;
mod pen;
mod target;

pub(crate) use pen::Redactions;

use std::borrow::Cow;
use std::fmt;

use http::header::{COOKIE, HeaderName, SET_COOKIE};
use umbra_common::config::{ConfigError, secret};

use crate::rules::{Action, ClientAction, Floor, RedactText, RulesError, RulesText, pattern};
use crate::tap::Unpacked;
use body::BodyRules;
use names::{Names, Sieve};
use patterns::Patterns;
use pen::{Key, Pen, SHORTEST_KEY};

/// Takes the secrets out of exchanges.
#[derive(Clone, Debug)]
pub(crate) struct Redactor {
    /// The names of all fields that the rules look at.
    fields: Sieve,
    headers: Names,
    cookies: Names,
    query: Names,
    paths: Patterns,
    body: BodyRules,
    client: Option<ClientAction>,
    key: Option<Key>,
    /// A session is a digest of the client's address, which anyone can try all of.
    hides_sessions: bool,
}

impl Redactor {
    /// What the configuration file, then the rules say; the masked headers last, so that a block can hash one of them.
    pub(crate) fn new(text: &RulesText, floor: &Floor) -> Result<Self, RulesError> {
        let client = text.redact_client.max(floor.redact_client);
        let mut redactor = Self {
            fields: Sieve::default(),
            headers: Names::default(),
            cookies: Names::default(),
            query: Names::default(),
            paths: Patterns::default(),
            body: BodyRules::default(),
            client,
            key: key(text.redact_key.as_ref().or(floor.redact_key.as_ref()))?,
            hides_sessions: client.is_some() && floor.by_client,
        };
        for (at, block) in floor.redact.iter().chain(&text.redact).enumerate() {
            redactor.block(&format!("[[redact]] {}", at + 1), block)?;
        }
        floor.masked.iter().for_each(|name| redactor.headers.add(name.as_str(), Action::Mask));
        redactor.check()?;
        redactor.fields = redactor.concerned();
        Ok(redactor)
    }

    fn block(&mut self, block: &str, text: &RedactText) -> Result<(), RulesError> {
        let place = |key: &str| format!("{block}, {key}");
        let action = text.action;
        if action == Action::Hash && self.key.is_none() {
            return Err(no_key(block));
        }
        if (RedactText { action, ..RedactText::default() }) == *text {
            return Err(RulesError::whole(block, "names nothing to redact: give it headers, query, json, …"));
        }
        for name in text.headers.iter() {
            let header: HeaderName = name.parse().map_err(|_| {
                RulesError::value(place("headers"), name, "is no header name: give a token, as in x-session")
            })?;
            self.headers.add(header.as_str(), action);
        }
        let names = [
            ("cookies", &text.cookies, &mut self.cookies),
            ("query", &text.query, &mut self.query),
            ("form", &text.form, &mut self.body.form),
            ("multipart", &text.multipart, &mut self.body.multipart),
        ];
        for (key, words, names) in names {
            for name in words.iter() {
                if name.is_empty() {
                    return Err(RulesError::value(place(key), name, "is no name: give at least one byte"));
                }
                names.add(name, action);
            }
        }
        for pointer in text.json.iter() {
            self.body.point(&place("json"), pointer, action)?;
        }
        for (key, words, patterns) in [("path", &text.path, &mut self.paths), ("text", &text.text, &mut self.body.text)]
        {
            for expression in words.iter() {
                patterns.add(pattern(&place(key), expression)?, action);
            }
        }
        Ok(())
    }

    /// What cannot have been meant.
    fn check(&self) -> Result<(), RulesError> {
        if self.client == Some(ClientAction::Hash) && self.key.is_none() {
            return Err(no_key("redact-client"));
        }
        let whole = |header: HeaderName| self.headers.get(header.as_str().as_bytes()).is_some();
        if !self.cookies.is_empty() && whole(COOKIE) && whole(SET_COOKIE) {
            let why = "would do nothing, since cookie and set-cookie are redacted whole: keep one, as in --keep-header cookie";
            return Err(RulesError::whole("[[redact]], cookies", why));
        }
        Ok(())
    }

    /// Takes them out of every part of an exchange.
    pub(crate) fn redact(&self, exchange: &mut Unpacked<'_>, redactions: &Redactions) {
        let pen = Pen { key: self.key.as_ref(), redactions };
        self.client(&mut exchange.client, pen);
        self.session(&mut exchange.session);
        let request = &mut exchange.request;
        // Bodies first: a header that is dropped may say what its body is.
        self.body.redact(&request.headers, &mut request.body, pen);
        if let Some(target) = self.url(&request.target, pen) {
            request.target = target.into();
        }
        self.section(&mut request.headers, pen);
        self.section(&mut request.trailers, pen);
        if let Some(response) = &mut exchange.response {
            self.body.redact(&response.headers, &mut response.body, pen);
            self.section(&mut response.headers, pen);
            self.section(&mut response.trailers, pen);
        }
    }

    /// A session is a digest by a key that everybody knows. With a key of one's own it says nothing more.
    fn session(&self, session: &mut Cow<'_, [u8]>) {
        match &self.key {
            Some(key) if !session.is_empty() => {
                let length = session.len();
                *session = key.digest(session)[..length.min(32)].to_vec().into();
            }
            None if self.hides_sessions => *session = Cow::default(),
            _ => {}
        }
    }

    /// Everything that is redacted, with what is done to it.
    fn list(&self) -> Vec<(Action, String)> {
        let named = |kind: &'static str, names: Vec<(String, Action)>| {
            names.into_iter().map(move |(name, action)| (action, format!("{kind} {name}")))
        };
        let mut headers: Vec<_> = self.headers.iter().map(|(name, action)| (action, name)).collect();
        headers.sort();
        headers.extend(named("cookie", self.cookies.iter().collect()));
        headers.extend(named("query", self.query.iter().collect()));
        headers.extend(named("path", self.paths.iter().collect()));
        headers.extend(named("json", self.body.json().collect()));
        headers.extend(named("form", self.body.form.iter().collect()));
        headers.extend(named("multipart", self.body.multipart.iter().collect()));
        headers.extend(named("text", self.body.text.iter().collect()));
        headers
    }

    /// Everything to which one thing is done.
    pub(crate) fn done(&self, action: Action) -> Vec<String> {
        self.list().into_iter().filter(|(a, _)| *a == action).map(|(_, what)| what).collect()
    }

    /// What becomes of clients' addresses.
    pub(crate) fn client_action(&self) -> Option<ClientAction> {
        self.client
    }
}

/// `masked: authorization, cookie; hashed: json /user/email; client addresses: truncate`.
impl fmt::Display for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let masked = self.done(Action::Mask);
        write!(f, "masked: {}", if masked.is_empty() { "nothing".to_owned() } else { masked.join(", ") })?;
        for action in [Action::Drop, Action::Hash] {
            let done = self.done(action);
            if !done.is_empty() {
                write!(f, "; {}: {}", action.done(), done.join(", "))?;
            }
        }
        self.client.map_or(Ok(()), |action| write!(f, "; client addresses: {action}"))
    }
}

fn key(setting: Option<&String>) -> Result<Option<Key>, RulesError> {
    let Some(setting) = setting else { return Ok(None) };
    if !setting.starts_with("env:") && !setting.starts_with("file:") {
        // The value is a secret, so it is not said again.
        let why = "must not stand in a file or on a command line: give env:NAME or file:PATH";
        return Err(RulesError::whole("redact-key", why));
    }
    let secret = secret("redact-key", setting).map_err(|e: ConfigError| RulesError::Secret(e))?;
    let short =
        || RulesError::value("redact-key", setting, format!("holds less than {SHORTEST_KEY} bytes: give a longer key"));
    Key::new(&secret).ok_or_else(short).map(Some)
}

fn no_key(place: &str) -> RulesError {
    RulesError::whole(place, "hashes, and there is no key: give redact-key = \"env:NAME\" or \"file:PATH\"")
}

#[cfg(test)]
mod tests;
