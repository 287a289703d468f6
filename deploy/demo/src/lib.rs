//! The whole path on one machine: two services, a recorder between a client and v1, a replay to v2.
//!
//! [`demo`] is the run. In its order: a [`service`] ([`echo`] over HTTP and [`greeter`] over gRPC on one port) is started twice, the
//! [`client`] sends traffic through the recorder, what was [`recorded`] is read back, the replayer sends it to v2, and
//! the [`agreement`] of what was seen in the four places decides. What one place saw of a request is a [`sighting`].

pub mod agreement;
pub mod client;
pub mod demo;
pub mod echo;
pub mod greeter;
pub mod next_steps;
pub mod options;
pub mod recorded;
pub mod screen;
pub mod service;
pub mod show;
pub mod sighting;
