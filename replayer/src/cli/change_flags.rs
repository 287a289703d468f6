//! The flags that change what is sent.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::carry::{CarryRules, SessionBy};
use crate::change::{
    Changes, Profile, ProfileError, RemoveHeader, RemoveJson, RemoveQuery, RenameHeader, RenameQuery, RewriteHost,
    RewritePath, Rule, SetHeader, SetJson, SetQuery, Token,
};
use crate::read::Condition;
use crate::target::Order;

/// What is changed in every request.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct ChangeFlags {
    /// A TOML file with changes and conditions that several replays share; flags are applied after it.
    #[arg(long, env = "UMBRA_PROFILE", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<PathBuf>,
    /// Give a header field this one value.
    #[arg(long, env = "UMBRA_SET_HEADER", value_name = "NAME:VALUE")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_header: Vec<SetHeader>,
    /// Leave a header field out.
    #[arg(long, env = "UMBRA_REMOVE_HEADER", value_name = "NAME", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove_header: Vec<RemoveHeader>,
    /// Send a header field by another name.
    #[arg(long, env = "UMBRA_RENAME_HEADER", value_name = "OLD:NEW", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rename_header: Vec<RenameHeader>,
    /// Give a header field a secret for its value: NAME=env:VARIABLE or NAME=file:PATH.
    #[arg(long, env = "UMBRA_TOKEN", value_name = "NAME=SOURCE", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub token: Vec<Token>,
    /// Let paths that begin with FROM begin with TO; the first rule that fits is applied. Patterns go into a profile.
    #[arg(long, env = "UMBRA_REWRITE_PATH", value_name = "FROM=TO", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rewrite_path: Vec<RewritePath>,
    /// Replace what the regular expression finds in the recorded host, before --host; the first rule that fits is applied.
    #[arg(long, env = "UMBRA_REWRITE_HOST", value_name = "REGEX=TO")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rewrite_host: Vec<RewriteHost>,
    /// Give a query parameter this one value.
    #[arg(long, env = "UMBRA_SET_QUERY", value_name = "NAME=VALUE")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_query: Vec<SetQuery>,
    /// Leave a query parameter out.
    #[arg(long, env = "UMBRA_REMOVE_QUERY", value_name = "NAME", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove_query: Vec<RemoveQuery>,
    /// Send a query parameter by another name.
    #[arg(long, env = "UMBRA_RENAME_QUERY", value_name = "OLD=NEW", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rename_query: Vec<RenameQuery>,
    /// Give a field of JSON bodies this value, as in '/customer/name="Ann"'.
    #[arg(long, env = "UMBRA_SET_JSON", value_name = "POINTER=JSON")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_json: Vec<SetJson>,
    /// What is kept in order: free (nothing) or session (a session's exchanges go one after the other) [default: free, with
    /// carry rules session].
    #[arg(long, env = "UMBRA_ORDER", value_name = "ORDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// What names a session: key (what the recorder sampled by), client, header:NAME or cookie:NAME [default: key].
    #[arg(long, env = "UMBRA_SESSION_BY", value_name = "WHAT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_by: Option<SessionBy>,
    /// Leave a field of JSON bodies out.
    #[arg(long, env = "UMBRA_REMOVE_JSON", value_name = "POINTER", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove_json: Vec<RemoveJson>,
}

/// How what is sent is made fit for staging.
pub(super) struct Fitting {
    pub changes: Changes,
    pub conditions: Vec<Condition>,
    pub carries: CarryRules,
}

impl ChangeFlags {
    /// The changes of the profile and of the flags, and the profile's conditions and carry rules. Of the rules that exclude each other,
    /// for the host and for the path, those of the flags come first; of others the flags' are applied last.
    pub(super) fn resolve(self) -> Result<Fitting, ProfileError> {
        let profile = self.profile.as_deref().map(Profile::read).transpose()?.unwrap_or_default();
        let mut rules: Vec<Rule> = Vec::new();
        rules.extend(self.rewrite_host.into_iter().map(Rule::RewriteHost));
        rules.extend(self.rewrite_path.into_iter().map(Rule::RewritePath));
        rules.extend(profile.rules);
        rules.extend(self.remove_header.into_iter().map(Rule::RemoveHeader));
        rules.extend(self.rename_header.into_iter().map(Rule::RenameHeader));
        rules.extend(self.set_header.into_iter().map(Rule::SetHeader));
        rules.extend(self.token.into_iter().map(Rule::Token));
        rules.extend(self.remove_query.into_iter().map(Rule::RemoveQuery));
        rules.extend(self.rename_query.into_iter().map(Rule::RenameQuery));
        rules.extend(self.set_query.into_iter().map(Rule::SetQuery));
        rules.extend(self.remove_json.into_iter().map(Rule::RemoveJson));
        rules.extend(self.set_json.into_iter().map(Rule::SetJson));
        let carries = CarryRules::new(profile.carries);
        Ok(Fitting { changes: Changes::new(rules), conditions: profile.conditions, carries })
    }
}
