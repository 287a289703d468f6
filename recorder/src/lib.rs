//! The recorder: a proxy in the live path that keeps a copy of what passes through it.
//!
//! Read the modules in the order in which they meet a request: [`config`] and [`recorder`] start the threads; `accept`
//! takes connections, `edge` refuses what could fool an intermediary, `forward` carries the request to the upstream
//! (or `sink` answers it), `tap` keeps the copy, `sample` decides whether there is one, `queue` hands finished
//! exchanges to the store's thread in batches, where `redact` takes the secrets out and `store` encodes and appends
//! them. `admin` answers those who operate it.
//!
//! One worker thread per core serves connections, each with a runtime, a listener and an upstream pool of its own;
//! workers share nothing but counters. One thread belongs to the store, one to the admin listener.

pub mod config;
mod recorder;

pub use config::{Config, ConfigError, Flags};
pub use recorder::{Recorder, StartError};
