//! Tunnels: what an upgrade or an extended CONNECT makes of a connection or a stream.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use umbra_common::time::HumanDuration;

/// As Envoy's TCP proxy has it. WebSocket services send pings far more often.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// The flags about tunnels.
#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct TunnelFlags {
    /// How long a WebSocket or another upgraded connection may pass nothing; 0s sets no limit [default: 1h]
    #[arg(long, env = "UMBRA_TUNNEL_TIMEOUT", value_name = "DURATION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel_timeout: Option<HumanDuration>,
}

impl TunnelFlags {
    /// How long a tunnel on which nothing passes is kept; for ever where nothing is given back.
    pub(super) fn idle(&self) -> Option<Duration> {
        let given = self.tunnel_timeout.map_or(IDLE, |timeout| timeout.0);
        (!given.is_zero()).then_some(given)
    }
}
