//! The recorder: a proxy in the live path that keeps a copy of what passes through it.
//!
//! Read the modules in the order in which they meet a request: [`config`] and [`recorder`] start the threads; `accept`
//! takes connections, `edge` refuses what could fool an intermediary, `serve` is one request's way through `forward`, to
//! the upstream and back (or `sink`, which answers by itself), `tap` keeps the copy, `rules` and `sample` decide whether there is
//! one, `queue` hands finished exchanges to the store's thread in batches, where `redact` takes the secrets out and
//! `store` encodes and appends them. `tunnel` carries what an upgrade makes of a connection. `admin` and `metrics` tell
//! operators about it, [`service`] the service manager.
//!
//! One `worker` thread per core serves connections, each with a runtime, a listener and an upstream pool of its own;
//! workers share nothing but counters. One thread belongs to the store, one to the admin listener.

mod accept;
mod admin;
mod answer;
mod begun;
mod certificate;
pub mod config;
mod deadlines;
mod edge;
mod forward;
mod heartbeat;
mod metrics;
mod pulse;
mod queue;
pub mod recorder;
mod redact;
mod rules;
mod sample;
mod serve;
pub mod service;
mod sink;
mod store;
mod tap;
mod tunnel;
mod worker;

pub use accept::Inherited;
pub use config::{Config, ConfigError, Flags};
pub use recorder::{Recorder, StartError};
