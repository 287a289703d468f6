//! A real gRPC service and client (tonic), for all four kinds of call.

mod client;
mod greeter;

pub use client::{GrpcClient, Kind, hello};
pub use greeter::{Call, CallEnd, Greeter, TOO_LATE, UNANSWERED};

/// What `proto/helloworld.proto` compiles to.
#[expect(missing_docs, reason = "generated")]
pub mod helloworld {
    tonic::include_proto!("helloworld");
}
