//! The gRPC half of the service: `helloworld.Greeter`, from `proto/helloworld.proto`.

use tonic::{Request, Response, Status};

/// What tonic and prost generate.
pub mod proto {
    #![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated from the .proto by the build script")]
    tonic::include_proto!("helloworld");
}

use proto::greeter_server::{Greeter as Rpc, GreeterServer};
use proto::{HelloReply, HelloRequest};

#[derive(Clone, Copy, Debug)]
struct Greeter {
    name: &'static str,
}

#[tonic::async_trait]
impl Rpc for Greeter {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        match request.into_inner().name.as_str() {
            "" => Err(Status::invalid_argument("a greeting needs a name")),
            name => Ok(Response::new(HelloReply { message: format!("Hello {name}, this is {}", self.name) })),
        }
    }
}

/// The greeter of the service called `name`, as routes that stand beside any others on the same port.
pub fn routes(name: &'static str, others: axum::Router) -> axum::Router {
    tonic::service::Routes::from(others).add_service(GreeterServer::new(Greeter { name })).into_axum_router()
}
