//! What the recorder and the replayer share.
//!
//! Read in this order: [`exchange`] is the unit of everything, [`codec`] turns it into the bytes that are kept for ever,
//! [`store`] keeps them, [`ledger`] says where each one ended. The rest are small values that both command lines
//! speak: [`time`], [`rate`], [`fraction`], [`size`] (read as plain numbers by [`decimal`]) and [`shadow_host`]. [`provenance`] names who recorded, [`probe`] asks whether it is ready. [`dial`]
//! makes connections: names, addresses, TLS. [`courtesy`] lets threads of the store give way. [`unprocessed`] reads what HTTP/2
//! peers say of requests that they have not looked at.
//!
//! This crate knows no HTTP server and no HTTP client.

pub mod codec;
pub mod config;
pub mod courtesy;
pub mod decimal;
pub mod dial;
pub mod exchange;
pub mod fraction;
pub mod ledger;
pub mod logs;
pub mod open_files;
pub mod probe;
pub mod provenance;
pub mod rate;
pub mod shadow_host;
pub mod size;
pub mod store;
pub mod time;
pub mod unprocessed;
