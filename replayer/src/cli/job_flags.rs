//! The flags of jobs: how often and under which name a window is sent, and the look at the jobs there are.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::path::Path;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use siphasher::sip::SipHasher13;

use super::ConfigError;
use super::flags::StoreFlags;
use crate::job::{Delivery, JobConfig, JobName};
use crate::schedule::{Repeat, Shard};
use crate::traffic::Output;

/// How often, and what is kept of it.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct JobFlags {
    /// Name the replay: how far it is is kept in the store, and --resume goes on with it on any machine.
    #[arg(long, env = "UMBRA_JOB", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobName>,
    /// Go on where the job was; begin it where it has sent nothing yet.
    #[arg(long, env = "UMBRA_RESUME", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume: Option<bool>,
    /// What becomes of requests that a killed run may have sent: at-least-once sends them again, at-most-once does not
    /// [default: at-least-once].
    #[arg(long, env = "UMBRA_DELIVERY", value_name = "DELIVERY")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// Send the window so often without a seam (3), or again and again for some time (for=1h) [default: 1].
    #[arg(long = "loop", env = "UMBRA_LOOP", value_name = "N|for=TIME")]
    #[serde(rename = "loop", skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
    /// Send what is left of a window of which a part has expired, or expires while it is read.
    #[arg(long, env = "UMBRA_ALLOW_PARTIAL", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_partial: Option<bool>,
}

/// `job list`, `show` and `delete`.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct JobLookFlags {
    #[command(flatten)]
    #[serde(flatten)]
    pub store: StoreFlags,
    /// table, or json (one object a line) [default: table].
    #[arg(long, env = "UMBRA_OUTPUT", value_name = "FORMAT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
}

/// The job that these flags ask for, if they do. `all` are all flags of the command.
pub(super) fn job(
    flags: &JobFlags,
    all: &impl Serialize,
    shard: Option<Shard>,
    profile: Option<&Path>,
) -> Result<Option<JobConfig>, ConfigError> {
    let Some(name) = flags.job.clone() else {
        return match (flags.resume, flags.delivery) {
            (Some(true), _) => Err(ConfigError::Missing("--job", "--resume goes on with a job: say which")),
            (_, Some(_)) => Err(ConfigError::Unused("--delivery", "it is about the resumption of a --job")),
            _ => Ok(None),
        };
    };
    let delivery = flags.delivery.unwrap_or_default();
    let mut settings = settings(all);
    settings.insert("delivery".into(), delivery.to_string());
    settings.insert("shards".into(), shard.unwrap_or(Shard::WHOLE).of().to_string());
    if let Some(content) = profile.and_then(|path| std::fs::read(path).ok()) {
        settings.insert("profile".into(), digest(&content));
    }
    Ok(Some(JobConfig { name, resume: flags.resume.unwrap_or(false), delivery, settings }))
}

/// What may be another each time a job goes on: how it is watched, how hard it tries, which part of it this process is.
const FREE: [&str; 25] = [
    "admin",
    "admin-token",
    "allow-partial",
    "breaker",
    "config",
    "connect-timeout",
    "connections",
    "delivery",
    "fail-if",
    "insecure-tls",
    "job",
    "log-format",
    "max-in-flight",
    "report",
    "resolve",
    "response-timeout",
    "resume",
    "shard",
    "start-at",
    "store",
    "target-ca",
    "target-cert",
    "target-key",
    "timeout",
    "profile",
];

/// Every other flag that is given, as text. What is long, or may be a secret, is there as a digest: enough to tell that it
/// is another.
fn settings(all: &impl Serialize) -> BTreeMap<String, String> {
    let Ok(Value::Object(given)) = serde_json::to_value(all) else { return BTreeMap::new() };
    let given = given.into_iter().filter(|(flag, _)| !FREE.contains(&flag.as_str()));
    given.map(|(flag, value)| (flag.clone(), said(&flag, &value))).collect()
}

fn said(flag: &str, value: &Value) -> String {
    /// Of each flag, in bytes: all of them together have to fit into a checkpoint.
    const LONGEST: usize = 200;
    let text = match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(all) => all.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(|all| all.join(",")),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Object(_) => None,
    };
    let is_plain = |text: &String| text.len() <= LONGEST && !flag.contains("header");
    text.filter(is_plain).unwrap_or_else(|| digest(value.to_string().as_bytes()))
}

fn digest(bytes: &[u8]) -> String {
    let mut hasher = SipHasher13::new();
    hasher.write(bytes);
    format!("#{:016x}", hasher.finish())
}
