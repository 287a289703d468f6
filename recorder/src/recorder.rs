//! A running recorder: its threads, and how they come and go.

use std::net::SocketAddr;

use umbra_common::ledger::Snapshot;
use umbra_common::store::{StoreError, StoreState};

use crate::config::Config;

/// A recorder that serves.
pub struct Recorder {
    addr: SocketAddr,
    admin_addr: SocketAddr,
}

/// Why a recorder cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store is one that can never be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An address cannot be listened on.
    #[error("cannot listen on {addr}: {source}; choose another address with --{flag}")]
    Listen {
        /// The address as given.
        addr: SocketAddr,
        /// The flag that gave it.
        flag: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The system gives no threads or no event queue.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

impl StartError {
    /// Whether the configuration is to blame (exit status 2) rather than the state of the world (1).
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Store(error) => error.is_configuration(),
            Self::Listen { .. } => true,
            Self::Thread(_) => false,
        }
    }
}

impl Recorder {
    /// Starts to listen and to serve.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let _ = config;
        Err(StartError::Thread(std::io::Error::other("unfinished")))
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where operators connect.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin_addr
    }

    /// The ledger now.
    pub fn ledger(&self) -> Snapshot {
        Snapshot { seen: 0, ends: Vec::new() }
    }

    /// Whether the store takes records.
    pub fn store_state(&self) -> StoreState {
        StoreState::Unknown
    }

    /// Drains: stops accepting, lets exchanges end, flushes the store, and says where every request ended.
    pub fn drain(self) -> Snapshot {
        self.ledger()
    }
}
