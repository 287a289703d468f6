//! The recorder as a proxy, byte by byte: raw sockets on both sides of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod aborts;
mod admin;
mod budgets;
mod drains;
mod expects;
mod forwards;
mod harness;
mod http2;
mod interim;
mod letters;
mod sinks;
mod targets;
mod trailers;
mod upgrades;
