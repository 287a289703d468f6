//! The flags of each subcommand: everything optional, so that the environment and a file can stand below them. Groups that go
//! together are named in each, since serde refuses the known keys of a group within a group where it refuses unknown ones.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};
use umbra_common::fraction::Fraction;
use umbra_common::logs::LogFormat;
use umbra_common::store::StoreSetting;
use umbra_common::time::{HumanDuration, When};

use super::FollowFrom;
use super::admin_flags::AdminFlags;
use super::change_flags::ChangeFlags;
use super::job_flags::JobFlags;
use super::pace_flags::{FollowPaceFlags, GoalFlags, PaceFlags};
use super::target_flags::TargetFlags;
use crate::read::Condition;
use crate::report::Gate;
use crate::schedule::Shard;
use crate::target::{HostPolicy, ProtocolPolicy, Target};
use crate::traffic::Output;

/// Where everything is, for every subcommand.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct StoreFlags {
    /// Where the traffic is: sqlite:FILE or kafka://HOST:PORT/TOPIC.
    #[arg(long, env = "UMBRA_STORE", value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreSetting>,
    /// A TOML file with the same settings, below flags and environment.
    #[arg(long, env = "UMBRA_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// How log lines on standard error look: text or json.
    #[arg(long, env = "UMBRA_LOG_FORMAT", value_name = "FORMAT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_format: Option<LogFormat>,
}

/// Which of the exchanges are meant.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct FilterFlags {
    /// Only exchanges for which the expression holds, as in 'method == "GET" && path.startsWith("/v1/")'; given several
    /// times, for which all hold.
    #[arg(long = "where", env = "UMBRA_WHERE", value_name = "EXPR")]
    #[serde(rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Only this share of the exchanges, the same ones each time.
    #[arg(long, env = "UMBRA_SAMPLE", value_name = "P%")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<Fraction>,
}

/// Which stretch of recorded time.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct WindowFlags {
    /// The first moment of the window: RFC 3339, Unix seconds, or from now as in -15m [default for `traffic`: the beginning].
    #[arg(long, env = "UMBRA_FROM", value_name = "TIME", allow_hyphen_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<When>,
    /// The first moment after the window [default: now].
    #[arg(long, env = "UMBRA_TO", value_name = "TIME", allow_hyphen_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<When>,
}

/// How shadow requests are sent.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct SendFlags {
    /// Where to send to, by name; several targets each get everything, but for those with a --weight.
    #[arg(long, env = "UMBRA_TARGET", value_name = "NAME=URL", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub target: Vec<Target>,
    /// The host that targets see: envoy (the recorded one with -shadow), preserve, target or literal:HOST.
    #[arg(long, env = "UMBRA_HOST", value_name = "POLICY")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<HostPolicy>,
    /// auto (HTTP/2 stays HTTP/2), h1 or h2.
    #[arg(long, env = "UMBRA_PROTOCOL", value_name = "PROTOCOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<ProtocolPolicy>,
    /// The longest a shadow request may take, the connection included [default: 10s].
    #[arg(long, env = "UMBRA_TIMEOUT", value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<HumanDuration>,
    /// The most HTTP/1.1 connections to each target, and so the most requests in flight on such [default: 256].
    #[arg(long, env = "UMBRA_CONNECTIONS", value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
    /// Send even to the address that the traffic was recorded in front of.
    #[arg(long, env = "UMBRA_ALLOW_PRODUCTION_TARGET", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_production_target: Option<bool>,
    /// Write the report to this file: a page for people where its name ends in .html, else one JSON document. May be given
    /// more than once.
    #[arg(long, env = "UMBRA_REPORT", value_name = "FILE", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub report: Vec<PathBuf>,
    /// Exit with 99 if this holds at the end: error_rate>1%, lag_p99>50ms, status_changed>0.5%, failed>0, … (--help names
    /// all figures).
    #[arg(long, env = "UMBRA_FAIL_IF", value_name = "EXPR", value_delimiter = ',', long_help = Gate::help())]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fail_if: Vec<Gate>,
}

/// `follow`.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FollowFlags {
    #[command(flatten)]
    #[serde(flatten)]
    pub store: StoreFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub filter: FilterFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub send: SendFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub reach: TargetFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub changes: ChangeFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub pace: FollowPaceFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub goals: GoalFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub admin: AdminFlags,
    /// Where a target begins that has not followed before: latest, earliest or a time [default: latest].
    #[arg(long, env = "UMBRA_FROM", value_name = "WHERE", allow_hyphen_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<FollowFrom>,
}

/// `replay` and `plan`.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ReplayFlags {
    #[command(flatten)]
    #[serde(flatten)]
    pub store: StoreFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub filter: FilterFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub send: SendFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub reach: TargetFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub changes: ChangeFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub window: WindowFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub pace: PaceFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub goals: GoalFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub admin: AdminFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub job: JobFlags,
    /// Send only this process's part: 1/4 … 4/4; or, by an index that counts from 0, 0+1/4 … 3+1/4.
    #[arg(long, env = "UMBRA_SHARD", value_name = "I/N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// Start at this moment: the common clock of several shards.
    #[arg(long, env = "UMBRA_START_AT", value_name = "TIME", allow_hyphen_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_at: Option<When>,
}

/// `traffic list`, `show`, `tail` and `top`.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TrafficFlags {
    #[command(flatten)]
    #[serde(flatten)]
    pub store: StoreFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub filter: FilterFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub window: WindowFlags,
    /// Without colours, also on a terminal; any value of NO_COLOR says so too.
    #[arg(long, env = "NO_COLOR", num_args = 0..=1, default_missing_value = "true", value_name = "ANY")]
    #[serde(skip)]
    pub no_color: Option<String>,
    /// table, json (one object a line), http, curl or har (one document).
    #[arg(long, env = "UMBRA_OUTPUT", value_name = "FORMAT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
}
