//! The flags of the edge: what one client may send, how long it may take, and whose word about addresses counts.

use serde::{Deserialize, Serialize};
use umbra_common::size::ByteSize;
use umbra_common::time::HumanDuration;

use super::edge::ProxyProtocol;

/// What becomes an [`EdgeConfig`](super::EdgeConfig).
#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
#[command(next_help_heading = "The edge")]
#[serde(default, rename_all = "kebab-case")]
pub struct EdgeFlags {
    /// The largest head of a request, all fields together; a larger one gets 431 [default: 64KiB]
    #[arg(long, env = "UMBRA_MAX_HEADER_SIZE", value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_header_size: Option<ByteSize>,

    /// The most header fields of a request; more get 431 [default: 128]
    #[arg(long, env = "UMBRA_MAX_HEADERS", value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_headers: Option<usize>,

    /// The longest target of a request; a longer one gets 414 [default: 32KiB]
    #[arg(long, env = "UMBRA_MAX_TARGET", value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_target: Option<ByteSize>,

    /// The longest a client takes for a head, and for the first byte of a connection; then 408 [default: 30s]
    #[arg(long, env = "UMBRA_HEADER_TIMEOUT", value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_timeout: Option<HumanDuration>,

    /// The longest a connection is kept without a request [default: 75s]
    #[arg(long, env = "UMBRA_IDLE_TIMEOUT", value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<HumanDuration>,

    /// The longest a client sends nothing of a body that is waited for (then 408), or takes nothing of a response that
    /// waits for it (then the end) [default: 60s]
    #[arg(long, env = "UMBRA_BODY_TIMEOUT", value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_timeout: Option<HumanDuration>,

    /// The longest nothing passes in either direction of an exchange whose response has begun [default: 5m]
    #[arg(long, env = "UMBRA_STREAM_TIMEOUT", value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_timeout: Option<HumanDuration>,

    /// The most connections of all clients at once; more get 503 [default: half of the file descriptors that the process
    /// may open, at most 50000]
    #[arg(long, env = "UMBRA_MAX_CONNECTIONS", value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<usize>,

    /// The most connections at once from one address (IPv6: from one /64 network); more get 503 [default: no limit]
    #[arg(long, env = "UMBRA_MAX_CONNECTIONS_PER_CLIENT", value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections_per_client: Option<usize>,

    /// The most streams of one HTTP/2 connection at once [default: 128]
    #[arg(long, env = "UMBRA_MAX_STREAMS", value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_streams: Option<u32>,

    /// Whether each connection begins with a PROXY protocol header, from which the client's address is taken. Only for a
    /// port that nobody but such proxies can reach [default: off]
    #[arg(long, env = "UMBRA_PROXY_PROTOCOL", value_name = "VERSION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<ProxyProtocol>,

    /// Networks whose X-Forwarded-For is believed: the client is then the right-most address outside of them
    /// [default: none]
    #[arg(long, env = "UMBRA_TRUST_FORWARDED_FOR", value_name = "CIDR", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trust_forwarded_for: Vec<String>,
}
