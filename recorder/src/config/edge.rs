//! The edge's limits, all of them valid.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use umbra_common::size::ByteSize;
use umbra_common::time::HumanDuration;

use super::ConfigError;
use super::edge_flags::EdgeFlags;

const HEADER_SIZE: ByteSize = ByteSize::kib(64);
/// An ordinary browser's head with cookies is near this; below it the recorder would be of no use.
const SMALLEST_HEADER_SIZE: ByteSize = ByteSize::kib(1);
/// The HTTP library holds twice as much for each connection.
const LARGEST_HEADER_SIZE: ByteSize = ByteSize::mib(1);
const HEADERS: usize = 128;
/// The HTTP library's header map ends at 2^15 names.
const MOST_HEADERS: usize = 10_000;
const TARGET: ByteSize = ByteSize::kib(32);
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
const STREAM_TIMEOUT: Duration = Duration::from_secs(300);
const STREAMS: u32 = 128;
const MOST_STREAMS: u32 = 10_000;

/// Without a limit on file descriptors in sight, and above it.
const CONNECTIONS: usize = 50_000;
/// However few file descriptors there are, one client must get through.
const FEWEST_CONNECTIONS: usize = 16;
/// File descriptors for the store, the admin listener and the runtimes.
const KEPT_DESCRIPTORS: usize = 64;

/// What clients may send, how long they may take, how many they may be, and how their addresses are learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeConfig {
    /// The largest head of a request.
    pub max_header_size: ByteSize,
    /// The most fields of a head.
    pub max_headers: usize,
    /// The longest target.
    pub max_target: ByteSize,
    /// The longest a head may take.
    pub header_timeout: Duration,
    /// The longest a connection is kept without a request.
    pub idle_timeout: Duration,
    /// The longest a client may be silent where it is its turn: to send a body, or to take a response.
    pub body_timeout: Duration,
    /// The longest an exchange may be silent in both directions once its response has begun.
    pub stream_timeout: Duration,
    /// The most connections at once.
    pub max_connections: usize,
    /// The most of them from one client.
    pub max_connections_per_client: Option<NonZeroUsize>,
    /// The most streams of one HTTP/2 connection.
    pub max_streams: u32,
    /// How connections begin.
    pub proxy_protocol: ProxyProtocol,
    /// Whose `X-Forwarded-For` is believed.
    pub trust_forwarded_for: Vec<IpNet>,
}

/// The PROXY protocol headers that a connection may begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyProtocol {
    /// None: it begins with what the client sends.
    #[default]
    Off,
    /// The line of text.
    V1,
    /// The binary header.
    V2,
    /// Either of the two.
    Any,
}

impl fmt::Display for ProxyProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::Any => "any",
        })
    }
}

impl EdgeFlags {
    pub(super) fn into_config(self) -> Result<EdgeConfig, ConfigError> {
        let max_header_size = self.max_header_size.unwrap_or(HEADER_SIZE);
        if !(SMALLEST_HEADER_SIZE..=LARGEST_HEADER_SIZE).contains(&max_header_size) {
            let why = format!("give a size from {SMALLEST_HEADER_SIZE} to {LARGEST_HEADER_SIZE}");
            return Err(wrong("max-header-size", max_header_size, why));
        }
        let max_target = self.max_target.unwrap_or(TARGET.min(max_header_size));
        if max_target > max_header_size || max_target.bytes() == 0 {
            let why = format!("a target is a part of the head: give a size up to --max-header-size {max_header_size}");
            return Err(wrong("max-target", max_target, why));
        }
        let time = |flag, given: Option<HumanDuration>, default| {
            super::validate::positive(flag, given.map_or(default, |d| d.0))
        };
        Ok(EdgeConfig {
            max_header_size,
            max_headers: within("max-headers", self.max_headers.unwrap_or(HEADERS), MOST_HEADERS)?,
            max_target,
            header_timeout: time("header-timeout", self.header_timeout, HEADER_TIMEOUT)?,
            idle_timeout: time("idle-timeout", self.idle_timeout, IDLE_TIMEOUT)?,
            body_timeout: time("body-timeout", self.body_timeout, BODY_TIMEOUT)?,
            stream_timeout: time("stream-timeout", self.stream_timeout, STREAM_TIMEOUT)?,
            max_connections: match self.max_connections {
                None => connections(),
                Some(given) => within("max-connections", given, usize::MAX)?,
            },
            max_connections_per_client: match self.max_connections_per_client {
                None => None,
                Some(given) => NonZeroUsize::new(within("max-connections-per-client", given, usize::MAX)?),
            },
            max_streams: within("max-streams", self.max_streams.unwrap_or(STREAMS), MOST_STREAMS)?,
            proxy_protocol: self.proxy_protocol.unwrap_or_default(),
            trust_forwarded_for: self.trust_forwarded_for.iter().map(|text| network(text)).collect::<Result<_, _>>()?,
        })
    }
}

fn wrong(flag: &'static str, value: impl fmt::Display, why: String) -> ConfigError {
    ConfigError::Value { flag, value: value.to_string(), why }
}

fn within<N: PartialOrd + Copy + From<u8> + fmt::Display>(
    flag: &'static str,
    given: N,
    most: N,
) -> Result<N, ConfigError> {
    if (N::from(1)..=most).contains(&given) {
        return Ok(given);
    }
    Err(wrong(flag, given, format!("give a number from 1 to {most}")))
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, ConfigError> {
    let one = || text.parse().ok().map(|address: std::net::IpAddr| IpNet::from(address));
    text.parse().ok().or_else(one).map(|network: IpNet| network.trunc()).ok_or_else(|| {
        wrong("trust-forwarded-for", text, "it is no network: give addresses as in 10.0.0.0/8 or fd00::/8".into())
    })
}

/// A connection can need two descriptors: its own, and one to the upstream.
fn connections() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    match open_files(&limits) {
        Some(most) => (most.saturating_sub(KEPT_DESCRIPTORS) / 2).clamp(FEWEST_CONNECTIONS, CONNECTIONS),
        None => CONNECTIONS,
    }
}

/// The soft limit; nothing where there is none.
fn open_files(limits: &str) -> Option<usize> {
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}

/// As `--check` prints them.
impl fmt::Display for EdgeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "max-header-size = \"{}\"", self.max_header_size)?;
        writeln!(f, "max-headers = {}", self.max_headers)?;
        writeln!(f, "max-target = \"{}\"", self.max_target)?;
        writeln!(f, "header-timeout = \"{}\"", HumanDuration(self.header_timeout))?;
        writeln!(f, "idle-timeout = \"{}\"", HumanDuration(self.idle_timeout))?;
        writeln!(f, "body-timeout = \"{}\"", HumanDuration(self.body_timeout))?;
        writeln!(f, "stream-timeout = \"{}\"", HumanDuration(self.stream_timeout))?;
        writeln!(f, "max-connections = {}", self.max_connections)?;
        if let Some(most) = self.max_connections_per_client {
            writeln!(f, "max-connections-per-client = {most}")?;
        }
        writeln!(f, "max-streams = {}", self.max_streams)?;
        writeln!(f, "proxy-protocol = \"{}\"", self.proxy_protocol)?;
        let trusted: Vec<_> = self.trust_forwarded_for.iter().map(|network| format!("\"{network}\"")).collect();
        writeln!(f, "trust-forwarded-for = [{}]", trusted.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(flags: &[&str]) -> Result<EdgeConfig, String> {
        use clap::{Args, Command, FromArgMatches};
        let command = EdgeFlags::augment_args(Command::new("r"));
        let matches = command.try_get_matches_from(["r"].iter().chain(flags)).map_err(|e| e.to_string())?;
        EdgeFlags::from_arg_matches(&matches).unwrap().into_config().map_err(|e| e.to_string())
    }

    #[test]
    fn limits_are_on_by_default() {
        let edge = config(&[]).unwrap();
        assert_eq!((edge.max_header_size, edge.max_target), (ByteSize::kib(64), ByteSize::kib(32)));
        assert_eq!((edge.header_timeout.as_secs(), edge.idle_timeout.as_secs()), (30, 75));
        assert!((FEWEST_CONNECTIONS..=CONNECTIONS).contains(&edge.max_connections));
        assert_eq!((edge.proxy_protocol, edge.trust_forwarded_for.len()), (ProxyProtocol::Off, 0));
    }

    #[test]
    fn a_wrong_limit_is_named_with_what_to_do() {
        for (flags, says) in [
            (["--max-header-size", "1B"], "--max-header-size 1B: give a size from 1KiB to 1MiB"),
            (["--max-header-size", "2MiB"], "from 1KiB to 1MiB"),
            (["--max-header-size", "big"], "'big' is no size"),
            (["--max-target", "65KiB"], "up to --max-header-size 64KiB"),
            (["--max-target", "0B"], "up to --max-header-size 64KiB"),
            (["--max-headers", "0"], "--max-headers 0: give a number from 1 to 10000"),
            (["--header-timeout", "0s"], "--header-timeout 0s: give more than no time"),
            (["--idle-timeout", "0s"], "more than no time"),
            (["--body-timeout", "0s"], "more than no time"),
            (["--stream-timeout", "0s"], "more than no time"),
            (["--stream-timeout", "long"], "'long' is no duration"),
            (["--max-connections", "0"], "--max-connections 0: give a number from 1"),
            (["--max-connections-per-client", "0"], "--max-connections-per-client 0: give a number from 1"),
            (["--max-streams", "0"], "--max-streams 0: give a number from 1 to 10000"),
            (["--proxy-protocol", "v3"], "possible values: off, v1, v2, any"),
            (["--trust-forwarded-for", "10.0.0.0/40"], "10.0.0.0/40: it is no network"),
            (["--trust-forwarded-for", "proxy"], "as in 10.0.0.0/8"),
        ] {
            let said = config(&flags).unwrap_err();
            assert!(said.contains(says), "{flags:?}: {said}");
        }
    }

    #[test]
    fn networks_may_be_single_addresses() {
        let edge = config(&["--trust-forwarded-for", "10.1.2.3/8,::1"]).unwrap();
        let networks: Vec<_> = edge.trust_forwarded_for.iter().map(ToString::to_string).collect();
        assert_eq!(networks, ["10.0.0.0/8", "::1/128"]);
    }

    #[test]
    fn the_limit_on_open_files_is_read_as_the_kernel_prints_it() {
        let limits = "Max processes             100     200    processes\nMax open files            1024                 524288               files     \n";
        assert_eq!(open_files(limits), Some(1024));
        assert_eq!(open_files("Max open files            unlimited            unlimited            files"), None);
        assert_eq!(open_files(""), None);
    }
}
