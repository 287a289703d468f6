//! From what was given to what can run.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE};
use umbra_common::fraction::Fraction;
use umbra_common::size::ByteSize;

use super::{Admin, Config, ConfigError, Flags, Mode, RulesFlags, Sample, SampleBy, Upstream};

use crate::rules::{Choice, Floor, RulesError, RulesSetting};
use crate::tap::{Limits, largest_record};

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8080);
const BODY_LIMIT: ByteSize = ByteSize::mib(1);
/// Two such bodies and their heads are within the codec's largest record.
const LARGEST_BODY_LIMIT: ByteSize = ByteSize::mib(64);
const MEMORY_LIMIT: ByteSize = ByteSize::mib(128);
/// Below this not even the records of one busy instant fit.
const SMALLEST_MEMORY_LIMIT: ByteSize = ByteSize::mib(1);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
const UPSTREAM_TIMEOUT: Duration = Duration::from_secs(60);
const MOST_WORKERS: usize = 1024;
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

impl Flags {
    /// The settings ready to run, or what is wrong with them. The file is not read here: see [`Flags::layered`].
    pub fn into_config(self) -> Result<Config, ConfigError> {
        let body_limit = self.body_limit.unwrap_or(BODY_LIMIT);
        let memory_limit = self.memory_limit.unwrap_or(MEMORY_LIMIT);
        limits(body_limit, memory_limit)?;
        let sample = Sample { fraction: self.sample.unwrap_or(Fraction::ALL), by: sample_by(self.sample_by)? };
        let responses = self.responses.unwrap_or_default();
        let rules = rules(
            self.rules,
            Choice { fraction: sample.fraction, limits: Limits { body: body_limit.as_usize(), responses } },
            redacted(&self.redact_header, &self.keep_header)?,
            sample.by == SampleBy::Client,
        )?;
        let mode = mode(self.upstream, self.sink.unwrap_or(false))?;
        Ok(Config {
            listen: self.listen.unwrap_or(LISTEN),
            tls: self.listen_tls.into_config()?,
            dialing: self.dialing.into_config(&mode)?,
            mode,
            sample,
            responses,
            body_limit,
            memory_limit,
            rules,
            admin: Admin::new(self.admin)?,
            workers: workers(self.workers)?,
            drain_timeout: self.drain_timeout.map_or(DRAIN_TIMEOUT, |d| d.0),
            upstream_timeout: positive("upstream-timeout", self.upstream_timeout.map_or(UPSTREAM_TIMEOUT, |d| d.0))?,
            edge: self.edge.into_config()?,
            tunnel_timeout: self.tunnels.idle(),
            spool: self.spool.into_config(memory_limit)?,
            instance: self.instance.unwrap_or_else(host_name).into(),
            log_format: self.log_format.unwrap_or_default(),
            store: self.store.unwrap_or_default().resolve()?.ok_or(ConfigError::NoStore)?,
        })
    }
}

fn mode(upstream: Option<String>, sink: bool) -> Result<Mode, ConfigError> {
    match (upstream, sink) {
        (None, true) => Ok(Mode::Sink),
        (None, false) => Err(ConfigError::NoUpstream),
        (Some(url), true) => Err(ConfigError::UpstreamAndSink(url)),
        (Some(url), false) => match url.parse::<Upstream>() {
            Ok(upstream) => Ok(Mode::Forward(upstream)),
            Err(error) => Err(ConfigError::Value { flag: "upstream", value: url, why: error.to_string() }),
        },
    }
}

fn sample_by(text: Option<String>) -> Result<SampleBy, ConfigError> {
    let Some(text) = text else { return Ok(SampleBy::Request) };
    text.parse().map_err(|e: super::SampleByParseError| ConfigError::Value {
        flag: "sample-by",
        value: text,
        why: e.to_string(),
    })
}

fn limits(body: ByteSize, memory: ByteSize) -> Result<(), ConfigError> {
    if body > LARGEST_BODY_LIMIT {
        let why = format!("a record holds at most {LARGEST_BODY_LIMIT} of a body");
        return Err(ConfigError::Value { flag: "body-limit", value: body.to_string(), why });
    }
    if memory < SMALLEST_MEMORY_LIMIT {
        let why = format!("give at least {SMALLEST_MEMORY_LIMIT}");
        return Err(ConfigError::Value { flag: "memory-limit", value: memory.to_string(), why });
    }
    let most = ByteSize::new(largest_record(memory.bytes()));
    if body > most {
        let why = format!("one record may hold {most} of --memory-limit {memory}: raise that, or lower this");
        return Err(ConfigError::Value { flag: "body-limit", value: body.to_string(), why });
    }
    Ok(())
}

fn rules(
    flags: RulesFlags,
    choice: Choice,
    masked: Vec<HeaderName>,
    by_client: bool,
) -> Result<RulesSetting, ConfigError> {
    let RulesFlags { rules: file, redact_key, redact_client, rule, redact } = flags;
    let setting =
        RulesSetting { file, floor: Floor { choice, rule, redact, redact_key, redact_client, masked, by_client } };
    match setting.start() {
        Ok(_) => Ok(setting),
        Err(error) => Err(wrong_rules(&setting, &error)),
    }
}

/// Rules that a recorder cannot start with.
pub(super) fn wrong_rules(setting: &RulesSetting, error: &RulesError) -> ConfigError {
    match &setting.file {
        Some(file) => ConfigError::Value { flag: "rules", value: file.display().to_string(), why: error.to_string() },
        None => ConfigError::Rules(error.to_string()),
    }
}

fn workers(given: Option<usize>) -> Result<NonZeroUsize, ConfigError> {
    match given {
        None => Ok(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)),
        Some(n) => NonZeroUsize::new(n).filter(|n| n.get() <= MOST_WORKERS).ok_or_else(|| ConfigError::Value {
            flag: "workers",
            value: n.to_string(),
            why: format!("give a number from 1 to {MOST_WORKERS}"),
        }),
    }
}

pub(super) fn positive(flag: &'static str, duration: Duration) -> Result<Duration, ConfigError> {
    if duration.is_zero() {
        return Err(ConfigError::Value { flag, value: "0s".into(), why: "give more than no time".into() });
    }
    Ok(duration)
}

fn redacted(more: &[String], kept: &[String]) -> Result<Vec<HeaderName>, ConfigError> {
    let mut names = vec![AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, SET_COOKIE, X_API_KEY];
    for name in more {
        names.push(header("redact-header", name)?);
    }
    for name in kept {
        let name = header("keep-header", name)?;
        if more.iter().any(|m| m.eq_ignore_ascii_case(name.as_str())) {
            let why = "it is also given with --redact-header: give one of the two".into();
            return Err(ConfigError::Value { flag: "keep-header", value: name.to_string(), why });
        }
        names.retain(|n| *n != name);
    }
    names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    Ok(names)
}

fn header(flag: &'static str, name: &str) -> Result<HeaderName, ConfigError> {
    name.parse().map_err(|_| ConfigError::Value {
        flag,
        value: name.to_owned(),
        why: "it is no header name: give a token, as in x-session".into(),
    })
}

/// What the kernel calls this host; containers are told apart by it.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "recorder".to_owned(),
        name => name.to_owned(),
    }
}
