//! `probe`: which process is asked.

use std::net::{Ipv4Addr, SocketAddr};

use clap::Args;

/// Where a run serves its admin endpoints, if it was not told otherwise.
const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9902);

/// `probe`.
#[derive(Clone, Debug, Args)]
pub(super) struct ProbeFlags {
    /// Where the run that is asked has its --admin.
    #[arg(long, env = "UMBRA_ADMIN", value_name = "ADDRESS", default_value_t = ADMIN)]
    pub admin: SocketAddr,
}
