//! The integration tests: one binary, a module a topic.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "by these a test fails")]

mod both_stores;
mod faults;
mod following;
mod grpc;
mod harness_itself;
mod programs;
mod recording;
mod replaying;
mod running;
mod store_contract;
