//! The demo's command line.

use clap::Parser;
use umbra_common::store::StoreUrl;

/// Shows the whole path on this machine: production traffic is recorded, and sent again to staging.
///
/// Needs nothing installed, writes nothing outside of a temporary directory, and listens on free ports of 127.0.0.1
/// alone. Exit status: 0 every count agrees, 1 something differs, 2 usage.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "umbra-demo", version)]
pub struct Options {
    /// Where records go, as in kafka://localhost:9092/umbra-demo [default: a SQLite file in a temporary directory]
    #[arg(long, value_name = "URL")]
    pub store: Option<StoreUrl>,

    /// Leave the services and the recorder running until Ctrl-C, and print commands to try
    #[arg(long)]
    pub keep: bool,
}
