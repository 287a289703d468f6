//! What the integration tests and the bench stand on.
//!
//! [`origin`] is what stands behind a recorder or is the target of a replayer, and remembers each request to the byte;
//! it, and the raw client, read HTTP by [`wire`], which shares no parser with the programs under test. [`receiver`]
//! takes thousands of requests and counts them. [`grpc`] is a real gRPC service. [`chaos`] breaks connections, [`faults`]
//! stores. [`deployed`] is what `deploy/` ships, [`kubernetes`] judges what a cluster would be given of it; [`proxies`] are other
//! people's, by its configurations. [`process`] runs the programs as their users do, and [`wait`]
//! is the only way a test waits.
//!
//! Whatever goes wrong in here fails the test that is running.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a harness fails the test that it runs in"
)]

pub mod arrivals;
pub mod certificates;
pub mod chaos;
pub mod compose;
pub mod curl;
pub mod deployed;
pub mod dns;
pub mod exchanges;
pub mod faults;
pub mod flood;
pub mod frames;
mod go_module;
pub mod grpc;
mod guard;
pub mod hammer;
pub mod http2;
pub mod http2_origin;
mod http_server;
pub mod installed;
pub mod kafka;
pub mod kubernetes;
pub mod ledgers;
pub mod load;
pub mod loaders;
pub mod mesh;
pub mod origin;
pub mod ports;
pub mod process;
pub mod prometheus;
pub mod proxies;
pub mod receiver;
pub mod recorder;
pub mod replayer;
pub mod stores;
mod target_folder;
pub mod tls_client;
pub mod tls_front;
pub mod tunnels;
pub mod wait;
pub mod wire;
