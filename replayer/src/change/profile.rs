//! A profile: what is sent, and how it is changed, for one staging cluster, in a file that several replays share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{
    EditParseError, RemoveHeader, RemoveJson, RemoveQuery, RenameHeader, RenameQuery, RewriteHost, RewritePath, Rule,
    SetHeader, SetJson, SetQuery, Token, TokenParseError,
};
use crate::carry::{CarryRule, PlaceParseError, Source};
use crate::read::Condition;
use crate::text::nearest;

/// What a profile's file says.
#[derive(Debug, Default)]
pub struct Profile {
    /// Only exchanges for which all of these hold.
    pub conditions: Vec<Condition>,
    /// The changes.
    pub rules: Vec<Rule>,
    /// What is taken from answers and put into later requests.
    pub carries: Vec<CarryRule>,
}

/// A profile that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// It cannot be read.
    #[error("cannot read the profile {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no TOML, or has an unknown key or a value of the wrong kind.
    #[error("in the profile {}: {why}{}", path.display(), suggestion.as_ref().map_or_else(String::new, |s| format!("\ndid you mean '{s}'?")))]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line.
        why: String,
        /// The key that may have been meant.
        suggestion: Option<String>,
    },
    /// A rule that cannot be applied.
    #[error("in the profile {}, {at}: {source}", path.display())]
    Rule {
        /// The file.
        path: PathBuf,
        /// The key.
        at: String,
        /// What is wrong with it.
        source: EditParseError,
    },
    /// A place that a carry rule cannot take from or put into.
    #[error("in the profile {}, [[carry]]: {source}", path.display())]
    Carry {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: PlaceParseError,
    },
    /// A token that is not to be had.
    #[error("in the profile {}, [tokens]: {source}", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: TokenParseError,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    #[serde(rename = "where")]
    conditions: Vec<Condition>,
    remove_headers: Vec<String>,
    rename_headers: BTreeMap<String, String>,
    set_headers: BTreeMap<String, String>,
    tokens: BTreeMap<String, String>,
    host: Vec<Rewrite>,
    path: Vec<Rewrite>,
    query: Query,
    json: Vec<Json>,
    carry: Vec<Carry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Carry {
    name: Option<String>,
    from: String,
    #[serde(default)]
    to: Vec<String>,
    #[serde(rename = "where")]
    condition: Option<Condition>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Rewrite {
    #[serde(rename = "match")]
    pattern: String,
    replace: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Query {
    remove: Vec<String>,
    rename: BTreeMap<String, String>,
    set: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Json {
    pointer: String,
    /// Nothing removes the field.
    set: Option<toml::Value>,
    #[serde(default)]
    remove: bool,
}

impl Profile {
    /// Reads a profile, and the secrets that it points to.
    pub fn read(path: &Path) -> Result<Self, ProfileError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ProfileError::Read { path: path.to_owned(), source })?;
        let file: File = toml::from_str(&text).map_err(|error| {
            let why = error.to_string().trim_end().to_owned();
            ProfileError::Content { path: path.to_owned(), suggestion: suggestion(error.message()), why }
        })?;
        let token = |(name, from): (&String, &String)| {
            Token::new(name, from).map_err(|source| ProfileError::Token { path: path.to_owned(), source })
        };
        let tokens = file.tokens.iter().map(|pair| token(pair).map(Rule::Token)).collect::<Result<Vec<_>, _>>()?;
        let mut rules = Vec::new();
        let at = |at: &str, source| ProfileError::Rule { path: path.to_owned(), at: at.to_owned(), source };
        for name in &file.remove_headers {
            rules.push(name.parse::<RemoveHeader>().map(Rule::RemoveHeader).map_err(|e| at("remove-headers", e))?);
        }
        for (from, to) in &file.rename_headers {
            let rule = format!("{from}:{to}").parse::<RenameHeader>();
            rules.push(rule.map(Rule::RenameHeader).map_err(|e| at("[rename-headers]", e))?);
        }
        for (name, value) in &file.set_headers {
            let rule = format!("{name}:{value}").parse::<SetHeader>();
            rules.push(rule.map(Rule::SetHeader).map_err(|e| at("[set-headers]", e))?);
        }
        rules.extend(tokens);
        for Rewrite { pattern, replace } in file.host {
            rules.push(
                RewriteHost::by_pattern(&pattern, &replace).map(Rule::RewriteHost).map_err(|e| at("[[host]]", e))?,
            );
        }
        for Rewrite { pattern, replace } in file.path {
            rules.push(
                RewritePath::by_pattern(&pattern, &replace).map(Rule::RewritePath).map_err(|e| at("[[path]]", e))?,
            );
        }
        file.query.rules(&mut rules).map_err(|e| at("[query]", e))?;
        for json in &file.json {
            rules.push(json.rule().map_err(|e| at("[[json]]", e))?);
        }
        let carries = file.carry.into_iter().map(Carry::rule).collect::<Result<_, _>>();
        let carries = carries.map_err(|source| ProfileError::Carry { path: path.to_owned(), source })?;
        Ok(Self { conditions: file.conditions, rules, carries })
    }
}

impl Carry {
    fn rule(self) -> Result<CarryRule, PlaceParseError> {
        let from: Source = self.from.parse()?;
        let to = self.to.iter().map(|place| place.parse()).collect::<Result<_, _>>()?;
        let name = self.name.unwrap_or_else(|| from.to_string());
        Ok(CarryRule { name, from, to, condition: self.condition })
    }
}

impl Query {
    fn rules(&self, rules: &mut Vec<Rule>) -> Result<(), EditParseError> {
        for name in &self.remove {
            rules.push(RemoveQuery::new(name).map(Rule::RemoveQuery)?);
        }
        for (from, to) in &self.rename {
            rules.push(RenameQuery::new(from, to).map(Rule::RenameQuery)?);
        }
        for (name, value) in &self.set {
            rules.push(SetQuery::new(name, value).map(Rule::SetQuery)?);
        }
        Ok(())
    }
}

impl Json {
    fn rule(&self) -> Result<Rule, EditParseError> {
        match (&self.set, self.remove) {
            (Some(value), false) => {
                let bad = |_| EditParseError::SetJson(format!("{}={value}", self.pointer));
                Ok(Rule::SetJson(SetJson::new(&self.pointer, &serde_json::to_value(value).map_err(bad)?)?))
            }
            (None, true) => Ok(Rule::RemoveJson(RemoveJson::new(&self.pointer)?)),
            _ => Err(EditParseError::JsonTable(self.pointer.clone())),
        }
    }
}

/// The key nearest to an unknown one, from the parser's message: it has the unknown one first, then those it knows, each
/// between backticks.
fn suggestion(message: &str) -> Option<String> {
    let mut quoted = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    nearest(unknown, quoted).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Profile, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Profile::read(file.path()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_whole_profile_is_read() {
        let profile = read(
            r#"
            where = ['method != "DELETE"']
            remove-headers = ["x-internal"]
            [rename-headers]
            x-user = "x-shadow-user"
            [set-headers]
            x-env = "staging:1"
            [[host]]
            match = '\.example\.com$'
            replace = ".example.net"
            [[path]]
            match = '^/v1/'
            replace = "/v2/"
            [query]
            remove = ["utm_source"]
            rename = { q = "query" }
            set = { debug = "1" }
            [[json]]
            pointer = "/customer/email"
            set = "ann@example.com"
            [[json]]
            pointer = "/card"
            remove = true
            [[carry]]
            from = "cookie:sid"
            to = ["cookie:sid"]
            [[carry]]
            name = "order"
            from = "json:/id"
            where = 'path == "/orders"'
            "#,
        )
        .unwrap();
        let rules: Vec<_> = super::super::Changes::new(profile.rules).rules().iter().map(ToString::to_string).collect();
        assert_eq!(
            rules,
            [
                "remove-header x-internal",
                "rename-header x-user:x-shadow-user",
                "set-header x-env",
                r"rewrite-host \.example\.com$=.example.net",
                "rewrite-path ^/v1/=/v2/",
                "remove-query utm_source",
                "rename-query q=query",
                "set-query debug=1",
                "set-json /customer/email",
                "remove-json /card",
            ]
        );
        assert_eq!(profile.conditions.len(), 1);
        assert_eq!(profile.carries.iter().map(|c| &c.name[..]).collect::<Vec<_>>(), ["cookie:sid", "order"]);
    }

    #[test]
    fn what_is_wrong_is_named_with_what_may_have_been_meant() {
        let error = |text: &str| read(text).unwrap_err();
        let unknown = error("set-header = {}");
        assert!(unknown.contains("line 1") && unknown.ends_with("did you mean 'set-headers'?"), "{unknown}");
        assert!(error("[query]\nremov = []").ends_with("did you mean 'remove'?"));
        assert!(!error("zzz = 1").contains("did you mean"));
        assert!(
            error("set-headers = {host = 'a'}").contains("[set-headers]: the header field 'host' cannot be changed")
        );
        assert!(error("[[path]]\nmatch = '('\nreplace = ''").contains("[[path]]: '(' is no regular expression"));
        assert!(error("[[json]]\npointer = '/a'").contains("give either set or remove"));
        assert!(error("[[json]]\npointer = 'a'\nremove = true").contains("is no JSON pointer"));
        assert!(error("[[carry]]\nfrom = 'body'").contains("[[carry]]: 'body' is no place in a response"));
        assert!(error("[[carry]]\nfrom = 'cookie:a'\nto = ['x']").contains("'x' is no place in a request"));
        assert!(error("where = ['path ==']").contains("column"));
        assert!(error("[tokens]\nauthorization = 'hunter2'").contains("[tokens]: "));
        let missing = Profile::read(Path::new("/does/not/exist.toml")).unwrap_err().to_string();
        assert!(missing.contains("cannot read the profile /does/not/exist.toml"));
    }
}
